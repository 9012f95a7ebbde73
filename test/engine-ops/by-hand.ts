import type { ConvWindow } from '../../src/engine/ops/index.ts';
import { type Tensor, tf } from '../../src/engine/tf.ts';

/** Uniform values in [-1, 1), the same on every engine. */
export function random(shape: number[], seed: number): Tensor {
  let state = (seed * 2654435761) >>> 0;
  const next = (): number => {
    state = (Math.imul(state ^ (state >>> 15), 2246822519) + 374761393) >>> 0;
    return state / 2 ** 31 - 1;
  };
  const count = shape.reduce((a, b) => a * b, 1);
  return tf.tensor(Float32Array.from({ length: count }, next), shape);
}

/** Inner product of two tensors in double precision. */
export function sum(a: Tensor, b: Tensor): number {
  const [x, y] = [Array.from(a.dataSync()), Array.from(b.dataSync())];
  return x.reduce((total, value, i) => total + value * (y[i] as number), 0);
}

/** A convolution as the sum that defines it, channels last, weight [Out, In/groups, kT, kH, kW]. */
export function convolutionByHand(x: Tensor, weight: Tensor, bias: Tensor, geometry: ConvWindow) {
  const { stride, padding, dilation, groups } = geometry;
  const [batch, ...size] = x.shape as [number, number, number, number, number];
  const channels = size.pop() as number;
  const [out, into, ...kernel] = weight.shape as [number, number, number, number, number];
  const spread = [1, dilation, dilation];
  const [F, H, W] = size.map((s, i) => {
    const [before, after] = padding[i] as [number, number];
    const reach = (spread[i] as number) * ((kernel[i] as number) - 1) + 1;
    return Math.floor((s + before + after - reach) / (stride[i] as number)) + 1;
  }) as [number, number, number];
  const [data, taps, shift] = [x.dataSync(), weight.dataSync(), bias.dataSync()];
  const [kT, kH, kW] = kernel as unknown as [number, number, number];
  const at = (b: number, p: number[], c: number): number => {
    if (p.some((v, i) => v < 0 || v >= (size[i] as number))) return 0;
    const [f, h, w] = p as [number, number, number];
    return data[
      (((b * (size[0] as number) + f) * (size[1] as number) + h) * (size[2] as number) + w) * channels + c
    ] as number;
  };
  const shape = [batch, F, H, W, out];
  const result = new Float64Array(shape.reduce((a, b) => a * b, 1));
  result.forEach((_, index) => {
    const o = index % out;
    const w = Math.floor(index / out) % W;
    const h = Math.floor(index / out / W) % H;
    const f = Math.floor(index / out / W / H) % F;
    const b = Math.floor(index / out / W / H / F);
    let total = shift[o] as number;
    const first = Math.floor(o / (out / groups)) * into;
    for (let c = 0; c < into; c++)
      for (let t = 0; t < kT; t++)
        for (let i = 0; i < kH; i++)
          for (let j = 0; j < kW; j++) {
            const place = [f, h, w].map(
              (p, axis) =>
                p * (stride[axis] as number) +
                ([t, i * dilation, j * dilation][axis] as number) -
                (padding[axis]?.[0] as number),
            );
            total += at(b, place, first + c) * (taps[(((o * into + c) * kT + t) * kH + i) * kW + j] as number);
          }
    result[index] = total;
  });
  return { shape, data: result };
}
