/**
 * Rotary embedding is an operator of its own; its gradient is the rotation by the opposite angle.
 *
 * Attention: forward is ONNX's own operator on [B, L, N*D], which takes no transposes. The gradient is
 * dV = Pᵀ dO, dS = P (dO Vᵀ - rowsum(dO O)), dQ = scale dS K, dK = scale dSᵀ Q, in one of two ways:
 *
 * - few logits: the operator hands out its probabilities P, which are computed once and kept
 * - many: a few heads at a time, P computed again, so that logits stay in the cache and none are kept
 */
import type { GraphBuilder, Value } from '../../graph/index.ts';
import { maskedLogit } from '../../ops/index.ts';
import { sumTo } from '../axes.ts';
import type { FusedKernel, Operands, Upstream } from '../kernel.ts';

/** Asks the operator's fourth output to be the probabilities. */
const afterSoftmax = 3;

/** mask and bias as one term of the logits, its last two axes of full size as the operator wants them. */
function logitTerm({ q, k, mask, bias }: Operands<'attention'>, g: GraphBuilder): Value | null {
  const penalty = mask && g.mul(g.sub(1, g.cast(mask, 'float32')), maskedLogit);
  const term = penalty && bias ? g.add(penalty, bias) : (penalty ?? bias);
  if (!term) return null;
  const batched = g.reshape(term, [...new Array<number>(4 - term.shape.length).fill(1), ...term.shape]);
  const wanted = [batched.shape[0]!, batched.shape[1]!, q.shape[1]!, k.shape[1]!]; // [B|1, N|1, Lq, Lk]
  return batched.shape.every((size, axis) => size === wanted[axis]) ? batched : g.expand(batched, wanted);
}

/** [result, keys, values, probabilities]; `count` of them are asked for, the forward pass needs the first alone. */
function attend(inputs: Operands<'attention'>, scale: number, count: 1 | 4, g: GraphBuilder): Value[] {
  const { q, k, v } = inputs;
  const [batch, queries, heads] = q.shape as [number, number, number];
  const keys = k.shape[1]!;
  const width = v.shape[3]!;
  const merge = (x: Value): Value => g.reshape(x, [batch, x.shape[1]!, heads * x.shape[3]!]); // [B, L, N, D] -> [B, L, N*D]
  const term = logitTerm(inputs, g);
  const operands = [merge(q), merge(k), merge(v), ...(term ? [term] : [])];
  const attributes = { q_num_heads: heads, kv_num_heads: heads, scale, qk_matmul_output_mode: afterSoftmax };
  const outputs: [number[], 'float32'][] = [
    [[batch, queries, heads * width], 'float32'],
    [[batch, heads, keys, k.shape[3]!], 'float32'],
    [[batch, heads, keys, width], 'float32'],
    [[batch, heads, queries, keys], 'float32'],
  ];
  const [merged, ...rest] = g.nodes('Attention', operands, attributes, outputs.slice(0, count));
  return [g.reshape(merged!, [batch, queries, heads, width]), ...rest];
}

type GradientInputs = Operands<'attention'> & Upstream;

/** [B, L, N, D] <-> [B, N, L, D] */
function perHead(x: Value, g: GraphBuilder): Value {
  return g.transpose(x, [0, 2, 1, 3]);
}

/** dO, and the sums of dO O along the last axis: [B, N, Lq, D] and [B, N, Lq, 1]. */
function upstream(dy: Value, result: Value, g: GraphBuilder): [Value, Value] {
  return [perHead(dy, g), perHead(g.reduce('ReduceSum', g.mul(dy, result), [3], true), g)];
}

function gradient(inputs: GradientInputs, scale: number, g: GraphBuilder): Value[] {
  const { q, k, v, bias, dy } = inputs;
  const [result, , , p] = attend(inputs, scale, 4, g) as [Value, Value, Value, Value];
  const [d, rowSums] = upstream(dy, result, g);
  const dLogits = g.mul(p, g.sub(g.matmul(d, perHead(v, g), { transB: true }), rowSums));
  const dQ = g.matmul(dLogits, perHead(k, g), { alpha: scale });
  const dK = g.matmul(dLogits, perHead(q, g), { transA: true, alpha: scale });
  const dV = g.matmul(p, d, { transA: true });
  const gradients = [dQ, dK, dV].map((x) => perHead(x, g));
  return bias ? [...gradients, sumTo(g, dLogits, bias.shape)] : gradients;
}

function softmax(logits: Value, g: GraphBuilder): Value {
  return g.node('Softmax', [logits], { axis: -1 }, logits.shape, 'float32');
}

/** Logits of all heads above which the gradient goes in parts (16 MiB), and logits of a part (2 MiB). */
const manyLogits = 1 << 22;
const partLogits = 1 << 19;

/** Parts of the B*N heads for the gradient, 1 where the whole is small or the logit term differs between heads. */
function partsOf({ q, k, bias }: GradientInputs, term: Value | null): number {
  const [batch, queries, heads] = q.shape as [number, number, number];
  const each = queries * k.shape[1]!;
  const count = batch * heads;
  if (bias || count * each <= manyLogits) return 1;
  if (term && term.shape[0]! * term.shape[1]! > 1) return 1;
  let parts = Math.min(count, Math.ceil((count * each) / partLogits));
  while (count % parts !== 0) parts++;
  return parts;
}

/** The gradient a part of the heads at a time. `term` is [1, 1, Lq, Lk]. */
function gradientInParts(inputs: GradientInputs, scale: number, parts: number, g: GraphBuilder): Value[] {
  const { q, k, v, dy } = inputs;
  const [batch, , heads] = q.shape as [number, number, number];
  const term = logitTerm(inputs, g);
  const added = term && g.reshape(term, term.shape.slice(1)); // [1, Lq, Lk]
  const [d, rowSums] = upstream(dy, attend(inputs, scale, 1, g)[0]!, g);
  const split = (x: Value): Value[] => g.split(g.reshape(x, [batch * heads, ...x.shape.slice(2)]), parts); // [B, N, L, D] -> parts of [B*N/parts, L, D]
  const [qs, ks, vs] = [q, k, v].map((x) => split(perHead(x, g))) as [Value[], Value[], Value[]];
  const [ds, sums] = [split(d), split(rowSums)];
  const made = qs.map((queries, i) => {
    const logits = g.matmul(queries, ks[i]!, { transB: true, alpha: scale });
    const p = softmax(added ? g.add(logits, added) : logits, g);
    const dLogits = g.mul(p, g.sub(g.matmul(ds[i]!, vs[i]!, { transB: true }), sums[i]!));
    const dQ = g.matmul(dLogits, ks[i]!, { alpha: scale });
    return [dQ, g.matmul(dLogits, queries, { transA: true, alpha: scale }), g.matmul(p, ds[i]!, { transA: true })];
  });
  return [q, k, v].map((x, which) => {
    const parts = made.map((three) => three[which]!);
    const whole = g.concat(parts, 0); // [B*N, L, D]
    return perHead(g.reshape(whole, [batch, heads, x.shape[1]!, x.shape[3]!]), g);
  });
}

export const attention: FusedKernel<'attention'> = {
  forward: (operands, { scale }, g) => attend(operands, scale, 1, g)[0]!,
  gradient: (operands, { scale }, g) => {
    const parts = partsOf(operands, logitTerm(operands, g));
    return parts === 1 ? gradient(operands, scale, g) : gradientInParts(operands, scale, parts, g);
  },
};

function rotate(x: Value, cos: Value, sin: Value, g: GraphBuilder): Value {
  const [batch, tokens, heads, width] = x.shape as [number, number, number, number];
  const flat = g.reshape(x, [batch, tokens, heads * width]); // [B, L, N, D] -> [B, L, N*D]
  const operands = [flat, g.int64([0]), cos, sin];
  const turned = g.node('RotaryEmbedding', operands, { interleaved: true }, flat.shape, 'float32');
  return g.reshape(turned, x.shape);
}

export const rotary: FusedKernel<'rotary'> = {
  forward: ({ x, cos, sin }, _, g) => rotate(x, cos, sin, g),
  gradient: ({ cos, sin, dy }, _, g) => [rotate(dy, cos, g.map('Neg', sin), g)],
};
