/**
 * Attention. Forward is ONNX's own operator on [B, L, N*D], which takes no transposes and hands out its
 * probabilities P when asked; the gradient asks, so that they are computed once:
 * dV = Pᵀ dO, dS = P (dO Vᵀ - rowsum(dO O)), dQ = scale dS K, dK = scale dSᵀ Q.
 */
import type { GraphBuilder } from '../builder.ts';
import { defineKernel, type KernelDefinition } from '../define.ts';
import type { Value } from '../value.ts';
import { sumTo } from './shape.ts';

interface AttentionInputs {
  q: Value;
  k: Value;
  v: Value;
  mask?: Value;
  bias?: Value;
}
interface AttentionAttributes {
  scale: number;
}

/** What is added to the logits of masked keys; as in the reference composition. */
const masked = -1e9;

/** Asks the operator's fourth output to be the probabilities. */
const afterSoftmax = 3;

/** mask and bias as one term of the logits, its last two axes of full size as the operator wants them. */
function logitTerm({ q, k, mask, bias }: AttentionInputs, g: GraphBuilder): Value | null {
  const penalty = mask && g.mul(g.sub(1, g.cast(mask, 'float32')), masked);
  const term = penalty && bias ? g.add(penalty, bias) : (penalty ?? bias);
  if (!term) return null;
  const batched = g.reshape(term, [...new Array<number>(4 - term.shape.length).fill(1), ...term.shape]);
  const wanted = [batched.shape[0]!, batched.shape[1]!, q.shape[1]!, k.shape[1]!]; // [B|1, N|1, Lq, Lk]
  return batched.shape.every((size, axis) => size === wanted[axis]) ? batched : g.expand(batched, wanted);
}

/** [result, keys, values, probabilities]; `count` of them are asked for, the forward pass needs the first alone. */
function attend(inputs: AttentionInputs, scale: number, count: 1 | 4, g: GraphBuilder): Value[] {
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

function gradient(inputs: AttentionInputs & { dy: Value }, scale: number, g: GraphBuilder): Value[] {
  const { q, k, v, bias, dy } = inputs;
  const perHead = (x: Value): Value => g.transpose(x, [0, 2, 1, 3]); // [B, L, N, D] <-> [B, N, L, D]
  const [result, , , p] = attend(inputs, scale, 4, g) as [Value, Value, Value, Value];
  const d = perHead(dy);
  const rowSums = perHead(g.reduce('ReduceSum', g.mul(dy, result), [3], true)); // [B, N, Lq, 1]
  const dLogits = g.mul(p, g.sub(g.matmul(d, perHead(v), { transB: true }), rowSums));
  const dQ = perHead(g.matmul(dLogits, perHead(k), { alpha: scale }));
  const dK = perHead(g.matmul(dLogits, perHead(q), { transA: true, alpha: scale }));
  const dV = perHead(g.matmul(p, d, { transA: true }));
  return bias ? [dQ, dK, dV, sumTo(g, dLogits, bias.shape)] : [dQ, dK, dV];
}

export const attentionKernels: readonly KernelDefinition[] = [
  defineKernel<AttentionInputs, AttentionAttributes>(
    'fused.attention',
    ({ inputs, attrs }, g) => attend(inputs, attrs.scale, 1, g)[0]!,
  ),
  defineKernel<AttentionInputs & { dy: Value }, AttentionAttributes>('fused.attention.grad', ({ inputs, attrs }, g) =>
    gradient(inputs, attrs.scale, g),
  ),
];
