/** Linear layers as Gemm: transposes ride in the operator, so weights stay in PyTorch's layout. */
import type { GraphBuilder } from '../builder.ts';
import { defineKernel, type KernelDefinition } from '../define.ts';
import type { Value } from '../value.ts';
import { asRows, columnSums } from './shape.ts';

interface LinearInputs {
  x: Value;
  weight: Value;
  bias?: Value;
}

/** y = x Wᵀ + b on rows [M, In]. */
function forward({ x, weight, bias }: LinearInputs, g: GraphBuilder): Value {
  const y = g.gemm(asRows(g, x), weight, bias ?? null, { transB: true });
  return g.reshape(y, [...x.shape.slice(0, -1), weight.shape[0]!]); // [M, Out] -> [..., Out]
}

/** dx = dy W, dW = dyᵀ x, db = column sums of dy. */
function backward({ x, weight, bias, dy }: LinearInputs & { dy: Value }, g: GraphBuilder): Value[] {
  const rows = asRows(g, dy);
  const dx = g.reshape(g.matmul(rows, weight), x.shape);
  const dWeight = g.gemm(rows, asRows(g, x), null, { transA: true });
  return bias ? [dx, dWeight, columnSums(g, rows)] : [dx, dWeight];
}

export const linearKernels: readonly KernelDefinition[] = [
  defineKernel<LinearInputs>('fused.linear', ({ inputs }, g) => forward(inputs, g)),
  defineKernel<LinearInputs & { dy: Value }>('fused.linear.grad', ({ inputs }, g) => backward(inputs, g)),
];
