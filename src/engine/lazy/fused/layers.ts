/**
 * Layers that work on each row or element, and the update of their weights. Linear layers are Gemm: transposes ride in the operator, so weights stay in
 * PyTorch's layout. Gradients are written with as few passes over the data as possible: row means are products with a
 * [D, 1] column, column sums products with a row; they reuse the forward's nodes and their further outputs where the
 * graph still has them.
 */
import type { Constant, GraphBuilder, Value } from '../../graph/index.ts';
import type { GeluForm } from '../../ops/index.ts';
import { asRows, columnSums, sumTo, weightedSums } from '../axes.ts';
import type { FusedKernel, Operands } from '../kernel.ts';

export const linear: FusedKernel<'linear'> = {
  /** y = x Wᵀ + b on rows [M, In]. */
  forward: ({ x, weight, bias }, _, g) => {
    const y = g.gemm(asRows(g, x), weight, bias ?? null, { transB: true });
    return g.reshape(y, [...x.shape.slice(0, -1), weight.shape[0]!]); // [M, Out] -> [..., Out]
  },
  /** dx = dy W, dW = dyᵀ x, db = column sums of dy. */
  gradient: ({ x, weight, bias, dy }, _, g) => {
    const rows = asRows(g, dy);
    const dx = g.reshape(g.matmul(rows, weight), x.shape);
    const dWeight = g.gemm(rows, asRows(g, x), null, { transA: true });
    return bias ? [dx, dWeight, columnSums(g, rows)] : [dx, dWeight];
  },
};

function geluOf(x: Value, form: GeluForm, g: GraphBuilder): Value {
  return g.node('Gelu', [x], { approximate: form === 'tanh' ? 'tanh' : 'none' }, x.shape, x.dtype);
}

/** tanh form as y = x s with s = sigmoid(2√(2/π) (x + 0.044715 x³)): dy/dx = s + y (1 - s) (a + 3 b x²). */
function geluTanhSlope(x: Value, g: GraphBuilder): Value {
  const a = 2 * Math.sqrt(2 / Math.PI);
  const b = a * 0.044715;
  const square = g.mul(x, x);
  const s = g.map('Sigmoid', g.mul(x, g.add(g.mul(square, b), a)));
  const slope = g.add(g.mul(square, 3 * b), a);
  return g.add(g.mul(g.mul(geluOf(x, 'tanh', g), g.sub(1, s)), slope), s);
}

/** erf form: dy/dx = Φ(x) + x φ(x). */
function geluErfSlope(x: Value, g: GraphBuilder): Value {
  const cumulative = g.mul(g.add(g.map('Erf', g.mul(x, Math.SQRT1_2)), 1), 0.5);
  const density = g.mul(g.map('Exp', g.mul(g.mul(x, x), -0.5)), 1 / Math.sqrt(2 * Math.PI));
  return g.add(cumulative, g.mul(x, density));
}

export const gelu: FusedKernel<'gelu'> = {
  forward: ({ x }, { form }, g) => geluOf(x, form, g),
  gradient: ({ x, dy }, { form }, g) => [g.mul(dy, form === 'tanh' ? geluTanhSlope(x, g) : geluErfSlope(x, g))],
};

export const silu: FusedKernel<'silu'> = {
  forward: ({ x }, _, g) => g.mul(x, g.map('Sigmoid', x)),
  /** With s = sigmoid(x) and y = x s: dy/dx = s (1 - y) + y. */
  gradient: ({ x, dy }, _, g) => {
    const s = g.map('Sigmoid', x);
    const y = g.mul(x, s);
    return [g.mul(dy, g.add(g.mul(s, g.sub(1, y)), y))];
  },
};

function unit(g: GraphBuilder, x: Value): Constant {
  return g.filled('float32', [x.shape[x.shape.length - 1]!], 1);
}

/** [result, mean, 1/deviation] of a layer normalisation, the first `count` of them. */
function normalised({ x, weight, bias }: Operands<'layerNorm'>, eps: number, count: 1 | 3, g: GraphBuilder): Value[] {
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

export const layerNorm: FusedKernel<'layerNorm'> = {
  forward: (operands, { eps }, g) => normalised(operands, eps, 1, g)[0]!,
  /**
   * With r = 1/deviation and x̂ = (x - mean) r: dx = r (g - mean(g) - x̂ mean(g x̂)) where g = dy weight,
   * dWeight = Σ dy x̂, dBias = Σ dy.
   */
  gradient: (inputs, { eps }, g) => {
    const { x, weight, bias } = inputs;
    const [y, mean, scale] = normalised(inputs, eps, 3, g) as [Value, Value, Value];
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
  },
};

/** [result, r] with r = 1 / sqrt(mean(x²) + eps), the first `count` of them. */
function rootNormalised({ x, weight }: Operands<'rmsNorm'>, eps: number, count: 1 | 2, g: GraphBuilder): Value[] {
  const shapes = [x.shape, [...x.shape.slice(0, -1), 1]].slice(0, count);
  const outputs = shapes.map((shape): [number[], 'float32'] => [shape, 'float32']);
  return g.nodes('SimplifiedLayerNormalization', [x, weight ?? unit(g, x)], { axis: -1, epsilon: eps }, outputs);
}

export const rmsNorm: FusedKernel<'rmsNorm'> = {
  forward: (operands, { eps }, g) => rootNormalised(operands, eps, 1, g)[0]!,
  /** dx = r g - x r³ mean(g x) where g = dy weight; dWeight = Σ r dy x. */
  gradient: (inputs, { eps }, g) => {
    const { x, weight } = inputs;
    const rows = asRows(g, inputs.dy);
    const data = asRows(g, x);
    const count = rows.shape[0]!;
    const r = g.reshape(rootNormalised(inputs, eps, 2, g)[1]!, [count, 1]); // [..., 1] -> [M, 1]
    const product = g.mul(rows, data);
    const pull = g.mul(g.matmul(product, meanColumn(g, x, weight)), g.mul(g.mul(r, r), r));
    const scaled = g.mul(weight ? g.mul(rows, weight) : rows, r);
    const dx = g.reshape(g.sub(scaled, g.mul(data, pull)), x.shape);
    return weight ? [dx, weightedSums(g, g.reshape(r, [1, count]), product)] : [dx];
  },
};

export const modulate: FusedKernel<'modulate'> = {
  forward: ({ x, shift, scale }, _, g) => g.add(g.mul(x, g.add(scale, 1)), shift),
  gradient: ({ x, shift, scale, dy }, _, g) => [
    g.mul(dy, g.add(scale, 1)),
    sumTo(g, dy, shift.shape),
    sumTo(g, g.mul(dy, x), scale.shape),
  ],
};

/** The update of one weight by AdamW; all weights of a step are recorded into one run. */
export const adamw: FusedKernel<'adamw'> = {
  forward: (operands, { beta1, beta2, eps }, g) => {
    const { param, grad, m, v, decay, rate, rootCorrection, firstShare, secondShare } = operands;
    const first = g.mul(grad, firstShare);
    const root = g.mul(grad, secondShare);
    const nextM = beta1 === 0 ? first : g.add(g.mul(m, beta1), first);
    const nextV = g.add(g.mul(v, beta2), g.mul(root, root));
    const denominator = g.add(g.mul(g.map('Sqrt', nextV), rootCorrection), eps);
    return [g.sub(g.mul(param, decay), g.div(g.mul(nextM, rate), denominator)), nextM, nextV];
  },
};
