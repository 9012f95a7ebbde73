/** Element-wise kernels with one input. */
import { defineKernel, type KernelDefinition } from '../define.ts';
import type { Value } from '../value.ts';

interface X {
  x: Value;
}

/** Kernels that are one ONNX operator on float32, keeping the dtype. */
const direct: Readonly<Record<string, string>> = {
  Neg: 'Neg',
  Sqrt: 'Sqrt',
  Exp: 'Exp',
  Log: 'Log',
  Tanh: 'Tanh',
  Sigmoid: 'Sigmoid',
};

export const unaryKernels: readonly KernelDefinition[] = [
  ...Object.entries(direct).map(([name, op]) => defineKernel<X>(name, ({ inputs: { x } }, g) => g.map(op, x))),
  defineKernel<X>('Square', ({ inputs: { x } }, g) => g.mul(x, x)),
  defineKernel<X>('Identity', ({ inputs: { x } }) => x),
];
