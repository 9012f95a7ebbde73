/**
 * Normalisations and modulation. Gradients are written out with as few passes over the data as possible: row means
 * are products with a [D, 1] column, column sums products with a row, and the statistics are the forward node's
 * further outputs.
 */
import type { GraphBuilder } from '../builder.ts';
import { defineKernel, type KernelDefinition } from '../define.ts';
import type { Constant, Value } from '../value.ts';
import { asRows, columnSums, sumTo, weightedSums } from './shape.ts';

interface NormInputs {
  x: Value;
  weight?: Value;
  bias?: Value;
}
interface NormAttributes {
  eps: number;
}
type WithGradient<T> = T & { dy: Value };

function unit(g: GraphBuilder, x: Value): Constant {
  return g.filled('float32', [x.shape[x.shape.length - 1]!], 1);
}

/** [result, mean, 1/deviation] of a layer normalisation, the first `count` of them. */
function layerNorm({ x, weight, bias }: NormInputs, eps: number, count: 1 | 3, g: GraphBuilder): Value[] {
  const column = [...x.shape.slice(0, -1), 1];
  const operands = [x, weight ?? unit(g, x), ...(bias ? [bias] : [])];
  const shapes = [x.shape, column, column].slice(0, count);
  const outputs = shapes.map((shape): [number[], 'float32'] => [shape, 'float32']);
  return g.nodes('LayerNormalization', operands, { axis: -1, epsilon: eps, stash_type: 1 }, outputs);
}

/** The column [D, 1] of weight/D, so that dy times it is the row mean of dy * weight. */
function meanColumn(g: GraphBuilder, x: Value, weight: Value | undefined): Value | Constant {
  const width = x.shape[x.shape.length - 1]!;
  if (!weight) return g.filled('float32', [width, 1], 1 / width);
  return g.reshape(g.mul(weight, 1 / width), [width, 1]);
}

/**
 * With r = 1/deviation and x̂ = (x - mean) r: dx = r (g - mean(g) - x̂ mean(g x̂)) where g = dy weight,
 * dWeight = Σ dy x̂, dBias = Σ dy.
 */
function layerNormGradient(inputs: WithGradient<NormInputs>, eps: number, g: GraphBuilder): Value[] {
  const { x, weight, bias } = inputs;
  const [y, mean, scale] = layerNorm(inputs, eps, 3, g) as [Value, Value, Value];
  const rows = asRows(g, inputs.dy);
  const toColumn = (v: Value): Value => g.reshape(v, [rows.shape[0]!, 1]); // [..., 1] -> [M, 1]
  const r = toColumn(scale);
  const normal = weight || bias ? g.mul(g.sub(asRows(g, x), toColumn(mean)), r) : asRows(g, y);
  const column = meanColumn(g, x, weight);
  const product = g.mul(rows, normal);
  const scaled = weight ? g.mul(rows, weight) : rows;
  const centred = g.sub(scaled, g.matmul(rows, column));
  const dx = g.mul(g.sub(centred, g.mul(normal, g.matmul(product, column))), r);
  const gradients = [g.reshape(dx, x.shape)];
  if (weight) gradients.push(columnSums(g, product));
  if (bias) gradients.push(columnSums(g, rows));
  return gradients;
}

/** [result, r] with r = 1 / sqrt(mean(x²) + eps), the first `count` of them. */
function rmsNorm({ x, weight }: NormInputs, eps: number, count: 1 | 2, g: GraphBuilder): Value[] {
  const shapes = [x.shape, [...x.shape.slice(0, -1), 1]].slice(0, count);
  const outputs = shapes.map((shape): [number[], 'float32'] => [shape, 'float32']);
  return g.nodes('SimplifiedLayerNormalization', [x, weight ?? unit(g, x)], { axis: -1, epsilon: eps }, outputs);
}

/** dx = r g - x r³ mean(g x) where g = dy weight; dWeight = Σ r dy x. */
function rmsNormGradient(inputs: WithGradient<NormInputs>, eps: number, g: GraphBuilder): Value[] {
  const { x, weight } = inputs;
  const rows = asRows(g, inputs.dy);
  const data = asRows(g, x);
  const count = rows.shape[0]!;
  const r = g.reshape(rmsNorm(inputs, eps, 2, g)[1]!, [count, 1]); // [..., 1] -> [M, 1]
  const product = g.mul(rows, data);
  const pull = g.mul(g.matmul(product, meanColumn(g, x, weight)), g.mul(g.mul(r, r), r));
  const scaled = g.mul(weight ? g.mul(rows, weight) : rows, r);
  const dx = g.reshape(g.sub(scaled, g.mul(data, pull)), x.shape);
  return weight ? [dx, weightedSums(g, g.reshape(r, [1, count]), product)] : [dx];
}

interface ModulateInputs {
  x: Value;
  shift: Value;
  scale: Value;
}

function modulateGradient({ x, shift, scale, dy }: WithGradient<ModulateInputs>, g: GraphBuilder): Value[] {
  return [g.mul(dy, g.add(scale, 1)), sumTo(g, dy, shift.shape), sumTo(g, g.mul(dy, x), scale.shape)];
}

export const normKernels: readonly KernelDefinition[] = [
  defineKernel<NormInputs, NormAttributes>(
    'fused.layerNorm',
    ({ inputs, attrs }, g) => layerNorm(inputs, attrs.eps, 1, g)[0]!,
  ),
  defineKernel<WithGradient<NormInputs>, NormAttributes>('fused.layerNorm.grad', ({ inputs, attrs }, g) =>
    layerNormGradient(inputs, attrs.eps, g),
  ),
  defineKernel<NormInputs, NormAttributes>(
    'fused.rmsNorm',
    ({ inputs, attrs }, g) => rmsNorm(inputs, attrs.eps, 1, g)[0]!,
  ),
  defineKernel<WithGradient<NormInputs>, NormAttributes>('fused.rmsNorm.grad', ({ inputs, attrs }, g) =>
    rmsNormGradient(inputs, attrs.eps, g),
  ),
  defineKernel<ModulateInputs>('fused.modulate', ({ inputs: { x, shift, scale } }, g) =>
    g.add(g.mul(x, g.add(scale, 1)), shift),
  ),
  defineKernel<WithGradient<ModulateInputs>>('fused.modulate.grad', ({ inputs }, g) => modulateGradient(inputs, g)),
];
