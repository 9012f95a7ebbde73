/** Element-wise kernels with two inputs. */
import { defineKernel, type KernelDefinition } from '../define.ts';
import type { Value } from '../value.ts';

interface AB {
  a: Value;
  b: Value;
}

export const binaryKernels: readonly KernelDefinition[] = [
  defineKernel<AB>('Add', ({ inputs: { a, b } }, g) => g.add(a, b)),
  defineKernel<AB>('Sub', ({ inputs: { a, b } }, g) => g.sub(a, b)),
  defineKernel<AB>('Multiply', ({ inputs: { a, b } }, g) => g.mul(a, b)),
  defineKernel<AB>('RealDiv', ({ inputs: { a, b } }, g) => g.div(a, b)),
];
