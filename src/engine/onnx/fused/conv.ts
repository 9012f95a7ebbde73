/** The kernels behind `conv2d` and `conv3d`. */
import { defineKernel, type KernelDefinition } from '../define.ts';
import { convolution, inputGradient } from '../kernels/convolution.ts';
import { weightGradient } from '../kernels/convolution-gradient.ts';
import { type ConvInputs, type Plan, planOf, triple } from '../kernels/convolution-plan.ts';
import type { Value } from '../value.ts';
import { asRows, columnSums } from './shape.ts';

/** As `ConvGeometry` of ops/conv.ts. */
interface ConvAttributes {
  stride: readonly [number, number, number];
  padding: readonly (readonly [number, number])[];
  /** Of height and width. */
  dilation: number;
  groups: number;
}

function planFor({ x, weight }: ConvInputs, { stride, padding, dilation, groups }: ConvAttributes): Plan {
  const before = triple((i) => padding[i]![0]);
  const after = triple((i) => padding[i]![1]);
  return planOf(x.shape, weight.shape, { stride, dilation: [1, dilation, dilation], before, after, groups });
}

export const convKernels: readonly KernelDefinition[] = [
  defineKernel<ConvInputs, ConvAttributes>('fused.conv', ({ inputs, attrs }, g) =>
    convolution(inputs, planFor(inputs, attrs), g),
  ),
  defineKernel<ConvInputs & { dy: Value }, ConvAttributes>('fused.conv.grad', ({ inputs, attrs }, g) => {
    const { x, weight, bias, dy } = inputs;
    const plan = planFor(inputs, attrs);
    const gradients = [inputGradient(weight, dy, plan, g), weightGradient(x, dy, plan, g)];
    return bias ? [...gradients, columnSums(g, asRows(g, dy))] : gradients;
  }),
];
