import { type Flow, warp } from '../flow/lucas-kanade.ts';

/**
 * 1 where the flow from one frame to the next can be trusted, [H, W]: it stays in the image, forward and backward
 * flow cancel (|w + w'|^2 <= .01 (|w|^2 + |w'|^2) + .5) and it has no edge (|grad u|^2 + |grad v|^2 <= .01 |w|^2 + .002).
 * Source: Sundaram, Brox and Keutzer 2010.
 */
export function trusted(forward: Flow, backward: Flow): Uint8Array {
  const { u, v, height, width } = forward;
  const back = (data: Float32Array): Float32Array => warp({ data, height, width }, u, v).data;
  const [backU, backV] = [back(backward.u), back(backward.v)];
  const out = new Uint8Array(u.length);
  for (let i = 0; i < out.length; i++) {
    const [x, y] = [(i % width) + u[i]!, Math.floor(i / width) + v[i]!];
    const inside = x >= 0 && y >= 0 && x <= width - 1 && y <= height - 1;
    const square = u[i]! ** 2 + v[i]! ** 2;
    const cycle = (u[i]! + backU[i]!) ** 2 + (v[i]! + backV[i]!) ** 2;
    const agrees = cycle <= 0.01 * (square + backU[i]! ** 2 + backV[i]! ** 2) + 0.5;
    out[i] = inside && agrees && edge(forward, i) <= 0.01 * square + 0.002 ? 1 : 0;
  }
  return out;
}

/** |grad u|^2 + |grad v|^2 by central differences, border repeated. */
function edge({ u, v, height, width }: Flow, i: number): number {
  const [x, y] = [i % width, Math.floor(i / width)];
  const [left, right] = [y * width + Math.max(x - 1, 0), y * width + Math.min(x + 1, width - 1)];
  const [above, below] = [Math.max(y - 1, 0) * width + x, Math.min(y + 1, height - 1) * width + x];
  const slope = (data: Float32Array) =>
    ((data[right]! - data[left]!) / 2) ** 2 + ((data[below]! - data[above]!) / 2) ** 2;
  return slope(u) + slope(v);
}
