import type { Flow } from './lucas-kanade.ts';

/** How far flow fields are from reference fields, over all pixels that are valid in both. */
export interface FlowComparison {
  /** Mean of |f - g| in pixels. */
  endPointError: number;
  /** Mean angle between (u, v, 1) and (u', v', 1) in degrees: small errors of small motions weigh little. */
  angularError: number;
  /** sum f.g / sqrt(sum |f|^2 sum |g|^2): 1 for the same directions; null where one side does not move. */
  cosine: number | null;
  /** Share of pixels whose error exceeds 3 px and 5 % of the reference. */
  outliers: number;
  /** Share of pixels that were compared. */
  compared: number;
}

/**
 * Compares flows with reference flows, pair by pair of frames as `clipFlow` gives them: a network with the weight-free
 * estimate, or either with the known motion.
 *
 * @throws RangeError if the numbers or sizes of the fields differ, or no pixel is valid in both.
 * Source: Barron, Fleet and Beauchemin 1994 (angle); Baker et al. 2011 (end point); Menze and Geiger 2015 (outliers).
 */
export function compareFlows(flows: readonly Flow[], references: readonly Flow[]): FlowComparison {
  if (flows.length !== references.length) {
    throw new RangeError(
      `compareFlows received ${flows.length} flows and ${references.length} references; wanted a pair each`,
    );
  }
  const sums = { count: 0, error: 0, angle: 0, dot: 0, own: 0, other: 0, outliers: 0 };
  for (const [i, flow] of flows.entries()) addPair(sums, flow, references[i]!);
  const { count, error, angle, dot, own, other, outliers } = sums;
  const pixels = flows.reduce((sum, { u }) => sum + u.length, 0);
  if (count === 0) throw new RangeError(`none of the ${pixels} pixels is valid in both flows and references`);
  return {
    endPointError: error / count,
    angularError: angle / count,
    cosine: own * other === 0 ? null : dot / Math.sqrt(own * other),
    outliers: outliers / count,
    compared: count / pixels,
  };
}

type Sums = Record<'count' | 'error' | 'angle' | 'dot' | 'own' | 'other' | 'outliers', number>;

function addPair(sums: Sums, flow: Flow, reference: Flow): void {
  if (flow.height !== reference.height || flow.width !== reference.width) {
    const sizes = [flow, reference].map(({ height, width }) => `${height}x${width}`).join(' and ');
    throw new RangeError(`compareFlows received fields of ${sizes}; both must have the same size`);
  }
  for (const i of flow.u.keys()) {
    if (!flow.valid[i] || !reference.valid[i]) continue;
    addPixel(sums, [flow.u[i]!, flow.v[i]!], [reference.u[i]!, reference.v[i]!]);
  }
}

function addPixel(sums: Sums, [u, v]: readonly [number, number], [x, y]: readonly [number, number]): void {
  const error = Math.hypot(u - x, v - y);
  const [dot, own, other] = [u * x + v * y, u * u + v * v, x * x + y * y];
  sums.count++;
  sums.error += error;
  sums.angle += degrees(Math.acos(Math.min(1, (dot + 1) / Math.sqrt((own + 1) * (other + 1)))));
  sums.dot += dot;
  sums.own += own;
  sums.other += other;
  if (error > 3 && error > 0.05 * Math.sqrt(other)) sums.outliers++;
}

function degrees(radians: number): number {
  return (180 / Math.PI) * radians;
}
