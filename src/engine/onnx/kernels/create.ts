/** Tensors from nothing: fill, zeros, ones, ranges. Made inside the graph, nothing is uploaded. */
import { defineKernel, type KernelDefinition } from '../define.ts';
import type { TensorType, Value } from '../value.ts';

interface X {
  x: Value;
}

interface FillAttributes {
  shape: number[];
  value: number;
  dtype?: TensorType;
}

const fill = defineKernel<object, FillAttributes>('Fill', ({ attrs: { shape, value, dtype } }, g) =>
  g.full(shape, value, dtype ?? 'float32'),
);

interface RangeAttributes {
  start: number;
  stop: number;
  step: number;
  dtype?: TensorType;
}

/** start, start + step, ... below (or above) stop; counts down by itself when stop is below start. */
const range = defineKernel<object, RangeAttributes>('Range', ({ attrs }, g) => {
  const { start, stop, dtype = 'float32' } = attrs;
  const step = stop < start && attrs.step === 1 ? -1 : attrs.step;
  const count = start === stop ? 0 : Math.max(0, Math.ceil((stop - start) / step));
  const end = start + count * step;
  const limits = [start, dtype === 'int32' ? end : end - step / 2, step].map((x) => g.scalar(x, dtype));
  return g.node('Range', limits, null, [count], dtype);
});

/** `num` values from start to stop, both included. */
const linSpace = defineKernel<object, { start: number; stop: number; num: number }>('LinSpace', ({ attrs }, g) => {
  const { start, stop, num } = attrs;
  const limits = [0, num, 1].map((x) => g.scalar(x, 'int32'));
  const positions = g.cast(g.node('Range', limits, null, [num], 'int32'), 'float32');
  return g.add(g.mul(positions, (stop - start) / Math.max(1, num - 1)), start);
});

export const createKernels: readonly KernelDefinition[] = [
  fill,
  range,
  linSpace,
  defineKernel<X>('ZerosLike', ({ inputs: { x } }, g) => g.full(x.shape, 0, x.dtype as TensorType)),
  defineKernel<X>('OnesLike', ({ inputs: { x } }, g) => g.full(x.shape, 1, x.dtype as TensorType)),
];
