/** Softmax, normalisations, attention and rotary positions. All but the products is float32. */
import type { Emitter, Term } from './emitter.ts';
import { type Lowering, positive, tableOf } from './lowering.ts';
import { dot } from './products.ts';
import { mean } from './reductions.ts';

function softmaxOf(x: Term, axis: number, h: Emitter): Term {
  const powers = h.unary('exponential', h.binary('subtract', x, h.reduce('maximum', x, [axis], true)));
  return h.binary('divide', powers, h.reduce('add', powers, [axis], true));
}

export const softmax: Lowering<'Softmax'> = ([x], { axis }, _, h) =>
  softmaxOf(x!, positive([axis], x!.shape.length)[0]!, h);

/** 1 / sqrt(mean(x²) + epsilon) over the last axis, which stays. */
function inverseRoot(x: Term, epsilon: number, h: Emitter): Term {
  const square = mean(h.binary('multiply', x, x), [x.shape.length - 1], true, h);
  return h.unary('rsqrt', h.binary('add', square, epsilon));
}

/** x̂ weight + bias, and where asked for the mean and 1/deviation. */
export const layerNormalization: Lowering<'LayerNormalization'> = ([x, weight, bias], { epsilon }, results, h) => {
  const average = mean(x!, [x!.shape.length - 1], true, h);
  const centred = h.binary('subtract', x!, average);
  const inverse = inverseRoot(centred, epsilon, h);
  const scaled = h.binary('multiply', h.binary('multiply', centred, inverse), weight!);
  return [bias ? h.binary('add', scaled, bias) : scaled, average, inverse].slice(0, results.length);
};

/** x r weight, and where asked for r = 1 / sqrt(mean(x²) + epsilon). */
export const simplifiedLayerNormalization: Lowering<'SimplifiedLayerNormalization'> = (
  [x, weight],
  { epsilon },
  results,
  h,
) => {
  const inverse = inverseRoot(x!, epsilon, h);
  return [h.binary('multiply', h.binary('multiply', x!, inverse), weight!), inverse].slice(0, results.length);
};

/** [B, L, N*D] -> [B, L, N, D] */
function heads(x: Term, count: number, h: Emitter): Term {
  const [batch, length, width] = x.shape as [number, number, number];
  return h.reshape(x, [batch, length, count, width / count]);
}

/** The result [B, Lq, N*D], and where asked for keys and values by head and the probabilities [B, N, Lq, Lk]. */
export const attention: Lowering<'Attention'> = ([q, k, v, term], attributes, results, h) => {
  const { q_num_heads: count, scale } = attributes;
  const [queries, keys, values] = [q!, k!, v!].map((x) => heads(x, count, h)) as [Term, Term, Term];
  const perHead = {
    batch: [
      [0, 0],
      [2, 2],
    ],
    contract: [[3, 3]],
  } as const;
  const raw = h.binary('multiply', dot(queries, keys, perHead, h), scale); // [B, N, Lq, Lk]
  const p = softmaxOf(term ? h.binary('add', raw, term) : raw, 3, h);
  const sums = dot(
    p,
    values,
    {
      batch: [
        [0, 0],
        [1, 2],
      ],
      contract: [[3, 1]],
    },
    h,
  ); // [B, N, Lq, D]
  const merged = h.reshape(h.transpose(sums, [0, 2, 1, 3]), results[0]!.shape);
  if (results.length === 1) return merged;
  const byHead = (x: Term): Term => h.transpose(x, [0, 2, 1, 3]);
  return [merged, byHead(keys), byHead(values), p].slice(0, results.length);
};

/** The pair (2j, 2j+1) of each head turned by the angle of (token, j); x is [B, L, N*D], cos and sin [L, D/2]. */
export const rotaryEmbedding: Lowering<'RotaryEmbedding'> = ([x, offset, cos, sin], { interleaved }, _, h) => {
  const [batch, tokens, width] = x!.shape as [number, number, number];
  const [first = 0] = tableOf('RotaryEmbedding', offset);
  const half = cos!.shape[1]!;
  const paired = interleaved ? [half, 2] : [2, half];
  const pairs = h.reshape(x!, [batch, tokens, width / (2 * half), ...paired]);
  const along = interleaved ? 4 : 3;
  const part = (which: 0 | 1): Term => {
    const bounds = (end: 0 | 1) => pairs.shape.map((size, i) => (i === along ? which + end : end * size));
    return h.slice(pairs, bounds(0), bounds(1));
  };
  const [even, odd] = [part(0), part(1)];
  const angle = (table: Term): Term => {
    const rows = h.slice(table, [first, 0], [first + tokens, half]); // [L, D/2]
    return h.broadcastAlong(rows, interleaved ? [1, 3] : [1, 4], even.shape);
  };
  const [c, s] = [angle(cos!), angle(sin!)];
  const times = (a: Term, b: Term): Term => h.binary('multiply', a, b);
  const turned = [h.binary('subtract', times(even, c), times(odd, s)), h.binary('add', times(even, s), times(odd, c))];
  return h.reshape(h.concatenate(turned, along), x!.shape);
};
