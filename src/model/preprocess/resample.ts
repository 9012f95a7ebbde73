/**
 * Resizing as a linear map per axis: y = R_rows x R_columnsᵀ with the rows of both matrices built once. It is
 * differentiable, and the taps are those of the reference (PIL and PyTorch).
 */
import { linear } from '../../engine/ops/index.ts';
import { type Tensor, tf } from '../../engine/tf.ts';

/** How new pixels are made from old ones. */
export interface ResampleFilter {
  readonly kernel: 'bicubic' | 'bilinear';
  /**
   * Whether shrinking widens the kernel, as PIL and `antialias=True` do. Bicubic taps then have a = -0.5, and
   * a = -0.75 without, as in PyTorch.
   */
  readonly antialias: boolean;
  /** Whether the corner pixels keep their places (the extents of pixels do by default). */
  readonly alignCorners?: boolean;
}

/** What happens to one axis: resized from `from` to `to` pixels, of which `count` from `first` on are kept. */
export interface AxisPlan {
  readonly from: number;
  readonly to: number;
  /** First pixel kept. @defaultValue 0 */
  readonly first?: number;
  /** Pixels kept. @defaultValue all */
  readonly count?: number;
  /** Old pixels for each new one, where it is not from / to. */
  readonly scale?: number;
}

/** Weights of old pixels (columns) in each new pixel (rows), [count, from] row-major; each row sums to 1. */
export function resampleMatrix(plan: AxisPlan, filter: ResampleFilter): Float32Array {
  const { from, first = 0, count = plan.to } = plan;
  const matrix = new Float32Array(count * from);
  for (let row = 0; row < count; row++) {
    const taps = filter.antialias ? wideTaps(plan, filter, first + row) : plainTaps(plan, filter, first + row);
    for (const [index, weight] of taps) matrix[row * from + clampIndex(index, from)]! += weight;
  }
  return matrix;
}

type Tap = [index: number, weight: number];

/** Taps at the source scale; what lies outside repeats the border. Source: PyTorch UpSampleKernel.cpp. */
function plainTaps(plan: AxisPlan, { kernel, alignCorners }: ResampleFilter, at: number): Tap[] {
  const { from, to, scale = from / to } = plan;
  const centre = alignCorners ? (at * (from - 1)) / Math.max(to - 1, 1) : (at + 0.5) * scale - 0.5;
  const place = kernel === 'bilinear' ? Math.max(centre, 0) : centre;
  const base = Math.floor(place);
  const offsets = kernel === 'bilinear' ? [0, 1] : [-1, 0, 1, 2];
  return offsets.map((offset) => [base + offset, weightAt(kernel, place - base - offset, -0.75)]);
}

/** Taps of a kernel as wide as the new pixels, cut at the border and renormalised. Source: PIL Resample.c. */
function wideTaps({ from, to, scale = from / to }: AxisPlan, { kernel }: ResampleFilter, at: number): Tap[] {
  const stretch = Math.max(scale, 1);
  const reach = stretch * (kernel === 'bilinear' ? 1 : 2);
  const centre = (at + 0.5) * scale;
  const start = Math.max(Math.trunc(centre - reach + 0.5), 0);
  const end = Math.min(Math.trunc(centre + reach + 0.5), from);
  const taps = Array.from({ length: end - start }, (_, i): Tap => {
    return [start + i, weightAt(kernel, (start + i + 0.5 - centre) / stretch, -0.5)];
  });
  const sum = taps.reduce((total, [, weight]) => total + weight, 0);
  return taps.map(([index, weight]) => [index, weight / sum]);
}

/** Kernel value at a distance in pixels; `a` is the slope of the cubic at distance 1 (Keys 1981). */
function weightAt(kernel: ResampleFilter['kernel'], distance: number, a: number): number {
  const x = Math.abs(distance);
  if (kernel === 'bilinear') return Math.max(1 - x, 0);
  if (x < 1) return ((a + 2) * x - (a + 3)) * x * x + 1;
  return x < 2 ? a * (((x - 5) * x + 8) * x - 4) : 0;
}

function clampIndex(index: number, length: number): number {
  return Math.min(Math.max(index, 0), length - 1);
}

/**
 * Resizes and crops images.
 *
 * @param x - [B, H, W, C]
 * @param afterAxis - applied after each of the two passes, columns first (rounding, for example)
 * @returns [B, rows.count, columns.count, C]
 */
export function resample(
  x: Tensor,
  rows: AxisPlan,
  columns: AxisPlan,
  filter: ResampleFilter,
  afterAxis: (y: Tensor) => Tensor = (y) => y,
): Tensor {
  const [, height, width] = x.shape as [number, number, number, number];
  if (height !== rows.from || width !== columns.from) {
    throw new RangeError(`x has shape [${x.shape}]; wanted [B, ${rows.from}, ${columns.from}, C] for these plans`);
  }
  const across = linear(tf.transpose(x, [0, 3, 1, 2]), matrixTensor(columns, filter), null); // [B,C,H,w]
  const down = linear(tf.transpose(afterAxis(across), [0, 1, 3, 2]), matrixTensor(rows, filter), null); // [B,C,w,h]
  return tf.transpose(afterAxis(down), [0, 3, 2, 1]); // -> [B,h,w,C]
}

function matrixTensor(plan: AxisPlan, filter: ResampleFilter): Tensor {
  return tf.tensor2d(resampleMatrix(plan, filter), [plan.count ?? plan.to, plan.from]);
}
