/**
 * Qwen2-VL with VideoAlign's reward head. The language model has pre-norm blocks with grouped heads, rotary positions on
 * three axes and a gated feed-forward part. Sources: VideoAlign trainer.py, `Qwen2VLRewardModelBT`; transformers
 * models/qwen2_vl/modeling_qwen2_vl.py.
 */
import { attention, rmsNorm, silu } from '../../engine/ops/index.ts';
import { type Tensor, tf } from '../../engine/tf.ts';
import { type Architecture, architecture, type Part, type Tapped, type WeightView } from '../../nn/index.ts';
import { tapBelow } from '../../nn/internal.ts';
import { causalMask, dense, joinHeads, splitHeads, unbiased } from '../layers/layers.ts';
import { qwen2VlComparison, qwen2VlName, refusedLora } from './lora.ts';
import { mropeTurns, type PatchGrid, sequentialPositions, type Turns, turnHalves } from './positions.ts';
import { qwen2VlVision } from './vision.ts';
import { type Qwen2VlConfig, type Qwen2VlPreset, qwen2VlPresets, qwen2VlRewardShapes } from './weights.ts';

/** Videos and the sequences that speak about them. */
export interface Qwen2VlInput {
  /** int32 [B, L] */
  readonly ids: Tensor;
  /** int32 [B, L], 1 = token, 0 = padding on the right. */
  readonly mask: Tensor;
  /** float32 [3, B, L]; the running index on all three axes unless given. */
  readonly positions?: Tensor;
  /** Patches of all videos one after the other, [patches, C * tp * p * p]. */
  readonly pixels: Tensor;
  readonly grids: readonly PatchGrid[];
}

/**
 * Raw scores of videos, one at each special token in the order of the text, [B, specialTokens.length] (VideoAlign: visual
 * quality, motion quality, text alignment). Each sequence holds each special token once. A head with one row reads every
 * special token; one with more reads token j by its row j.
 */
export function qwen2VlRewards(
  net: Part<Qwen2VlConfig>,
  specialTokens: readonly number[],
  input: Qwen2VlInput,
  options: Tapped = {},
): Tensor {
  return tf.tidy(() => {
    const logits = unbiased(net.weights, 'rm_head', states(net, input, options)); // [B,L,D] -> [B,L,outputs]
    const places = specialPlaces(input.ids, specialTokens); // [B,L,S]
    return tf.sum(tf.mul(logits, places), 1); // one column broadcasts over the special tokens
  });
}

/** [B, L, S], 1 where the token is the S-th special one of its sequence. */
function specialPlaces(ids: Tensor, specialTokens: readonly number[]): Tensor {
  const flags = specialTokens.map((id) => tf.cast(tf.equal(ids, id), 'float32'));
  const special = tf.addN(flags); // [B,L]
  const rank = tf.mul(tf.cumsum(special, 1), special);
  return tf.stack(
    specialTokens.map((_, i) => tf.cast(tf.equal(rank, i + 1), 'float32')),
    -1,
  );
}

/** States of all tokens after the final norm, [B, L, D], with what the vision tower saw in the video tokens' places. */
function states(net: Part<Qwen2VlConfig>, input: Qwen2VlInput, { onValue }: Tapped): Tensor {
  const { weights, config } = net;
  return tf.tidy(() => {
    const vision = { weights: weights.at('visual'), config: config.vision_config };
    const seen = qwen2VlVision(vision, input.pixels, input.grids, tapBelow('visual', onValue));
    const model = { weights: weights.at('model'), config };
    const states = language(model, input, seen, tapBelow('model', onValue));
    onValue?.('model', states);
    return states;
  });
}

/** States of all tokens; `seen` [video tokens, D] replaces the tokens of `video_token_id`, in order over the batch. */
function language(net: Part<Qwen2VlConfig>, input: Qwen2VlInput, seen: Tensor, { onValue }: Tapped): Tensor {
  const { weights, config } = net;
  const { ids, mask } = input;
  const [batch, length] = ids.shape as [number, number];
  return tf.tidy(() => {
    let x = withVideo(tf.gather(weights.get('embed_tokens.weight'), ids), tf.equal(ids, config.video_token_id), seen);
    const turns = mropeTurns(config, input.positions ?? sequentialPositions(length));
    const keys = tf.reshape(tf.cast(mask, 'float32'), [batch, 1, 1, length]); // [B,L] -> [B,1,1,L]
    const visible = tf.mul(tf.reshape(causalMask(length), [1, 1, length, length]), keys); // [B,1,L,L]
    for (let i = 0; i < config.num_hidden_layers; i++) {
      x = layer({ weights: weights.at(`layers.${i}`), config }, x, turns, visible);
      onValue?.(`layers.${i}`, x);
    }
    return rmsNorm(x, weights.get('norm.weight'), config.rms_norm_eps);
  });
}

/** Tokens [B, L, D] where `video` [B, L] is true replaced by the rows of `seen`, one after the other. */
function withVideo(tokens: Tensor, video: Tensor, seen: Tensor): Tensor {
  const [batch, length, width] = tokens.shape as [number, number, number];
  const flags = tf.cast(tf.reshape(video, [batch * length]), 'int32');
  const rows = tf.maximum(tf.sub(tf.cumsum(flags), 1), 0); // how many video tokens came before
  const placed = tf.reshape(tf.gather(seen, tf.cast(rows, 'int32')), [batch, length, width]);
  return tf.where(tf.tile(tf.expandDims(video, -1), [1, 1, width]), placed, tokens);
}

/** One block on x [B, L, D]; `visible` is [B, 1, L, L], 1 = may attend. */
function layer({ weights, config }: Part<Qwen2VlConfig>, x: Tensor, turns: Turns, visible: Tensor): Tensor {
  return tf.tidy(() => {
    const norm = (name: string, y: Tensor): Tensor => rmsNorm(y, weights.get(`${name}.weight`), config.rms_norm_eps);
    const own = { weights: weights.at('self_attn'), config };
    const y = tf.add(x, selfAttention(own, norm('input_layernorm', x), turns, visible));
    return tf.add(y, feedForward(weights.at('mlp'), norm('post_attention_layernorm', y)));
  });
}

function selfAttention({ weights, config }: Part<Qwen2VlConfig>, x: Tensor, turns: Turns, mask: Tensor): Tensor {
  const { num_attention_heads: heads, num_key_value_heads: groups } = config;
  const project = (name: string, count: number): Tensor => splitHeads(dense(weights, name, x), count);
  const q = turnHalves(project('q_proj', heads), turns);
  const k = repeatHeads(turnHalves(project('k_proj', groups), turns), heads / groups);
  const v = repeatHeads(project('v_proj', groups), heads / groups);
  return unbiased(weights, 'o_proj', joinHeads(attention(q, k, v, { mask })));
}

/** Each head `times` times in a row: [B, L, N, D] -> [B, L, N times, D]. */
function repeatHeads(x: Tensor, times: number): Tensor {
  const [batch, length, heads, depth] = x.shape as [number, number, number, number];
  const tiled = tf.tile(tf.reshape(x, [batch * length, heads, 1, depth]), [1, 1, times, 1]);
  return tf.reshape(tiled, [batch, length, heads * times, depth]);
}

/** down(silu(gate x) * up x) */
function feedForward(weights: WeightView, x: Tensor): Tensor {
  const gate = silu(unbiased(weights, 'gate_proj', x));
  return unbiased(weights, 'down_proj', tf.mul(gate, unbiased(weights, 'up_proj', x)));
}

/**
 * Qwen2-VL with a reward head, under the published names. Prefixes of PEFT and the module names of newer transformers
 * are taken off, an output matrix (`lm_head`) is left out; for factors of LoRA in the file see {@link mergedLora}.
 *
 * @example await qwen2vl.load(qwen2vl.presets['qwen2-vl-2b'], (await openPth('model.pth')).entries())
 */
export const qwen2vl: Architecture<Qwen2VlConfig, typeof qwen2VlRewards, Qwen2VlPreset> = architecture({
  name: 'Qwen2-VL',
  presets: qwen2VlPresets,
  shapes: qwen2VlRewardShapes,
  officialName: () => qwen2VlName,
  official: refusedLora,
  compare: qwen2VlComparison,
  forward: qwen2VlRewards,
});
