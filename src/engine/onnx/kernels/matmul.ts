/** Matrix products. */
import { tf } from '../../tf.ts';
import type { GraphBuilder } from '../builder.ts';
import { defineKernel, type KernelDefinition } from '../define.ts';
import type { Value } from '../value.ts';

/** Which operands are transposed. */
export interface MatMulAttributes {
  transposeA: boolean;
  transposeB: boolean;
}

function swapLast(x: Value, g: GraphBuilder): Value {
  const axes = x.shape.map((_, i) => i);
  const rank = axes.length;
  return g.transpose(x, [...axes.slice(0, -2), rank - 1, rank - 2]);
}

function checkInner(a: Value, b: Value, transA: boolean, transB: boolean): void {
  const left = a.shape.at(transA ? -2 : -1);
  const right = b.shape.at(transB ? -1 : -2);
  if (left === right) return;
  throw new Error(`matMul: inner dimensions ${left} and ${right} differ for shapes [${a.shape}] and [${b.shape}]`);
}

/** op(a) op(b) over the last two axes [.., M, K] [.., K, N] -> [.., M, N], batch axes broadcasting. */
export function product({ a, b }: { a: Value; b: Value }, attrs: MatMulAttributes, g: GraphBuilder): Value {
  const { transposeA: transA, transposeB: transB } = attrs;
  checkInner(a, b, transA, transB);
  if (a.dtype !== 'float32') return g.matmul(transA ? swapLast(a, g) : a, transB ? swapLast(b, g) : b);
  const isPlain = a.shape.length === 2 && b.shape.length === 2 && (transA || transB);
  return isPlain ? g.gemm(a, b, null, { transA, transB }) : g.matmul(a, b, { transA, transB });
}

const batchMatMul = defineKernel<{ a: Value; b: Value }, MatMulAttributes>('BatchMatMul', ({ inputs, attrs }, g) =>
  product(inputs, attrs, g),
);

/** Sums products over the letters that the result leaves out, as in 'bij,bjk->bik'. */
const einsum = defineKernel<Value[], { equation: string }>('Einsum', ({ inputs, attrs }, g) => {
  const { allDims, summedDims, idDims } = tf.backend_util.decodeEinsumEquation(attrs.equation, inputs.length);
  tf.backend_util.checkEinsumDimSizes(allDims.length, idDims, inputs as never);
  const kept = allDims.slice(0, allDims.length - summedDims.length);
  const shape = kept.map((_, dim) => {
    const operand = idDims.findIndex((dims) => dims.includes(dim));
    return inputs[operand]!.shape[idDims[operand]!.indexOf(dim)]!;
  });
  const equation = attrs.equation.replace(/\s/g, '');
  return g.node('Einsum', inputs, { equation }, shape, inputs[0]!.dtype);
});

export const matmulKernels: readonly KernelDefinition[] = [batchMatMul, einsum];
