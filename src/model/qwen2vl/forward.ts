/** Qwen2-VL with VideoAlign's reward head. Source: VideoAlign trainer.py, `Qwen2VLRewardModelBT`. */

import { linear } from '../../engine/ops/index.ts';
import { type Tensor, tf } from '../../engine/tf.ts';
import { type Architecture, architecture, type Part, type Tapped } from '../../nn/index.ts';
import { tapBelow } from '../../nn/internal.ts';
import { type Qwen2VlTokens, qwen2VlLanguage } from './language.ts';
import { qwen2VlComparison, qwen2VlName, refusedLora } from './lora.ts';
import type { PatchGrid } from './positions.ts';
import { qwen2VlVision } from './vision.ts';
import { type Qwen2VlConfig, type Qwen2VlPreset, qwen2VlPresets, qwen2VlRewardShapes } from './weights.ts';

/** Videos and the sequences that speak about them. */
export interface Qwen2VlInput extends Qwen2VlTokens {
  /** Patches of all videos one after the other, [patches, C * tp * p * p]. */
  readonly pixels: Tensor;
  readonly grids: readonly PatchGrid[];
}

/** States of all tokens after the final norm, [B, L, D], with what the vision tower saw in the video tokens' places. */
export function qwen2VlStates(net: Part<Qwen2VlConfig>, input: Qwen2VlInput, { onValue }: Tapped = {}): Tensor {
  const { weights, config } = net;
  return tf.tidy(() => {
    const vision = weights.at('visual');
    const seen = qwen2VlVision(
      { weights: vision, config: config.vision_config },
      input.pixels,
      input.grids,
      tapBelow('visual', onValue),
    );
    const states = qwen2VlLanguage({ weights: weights.at('model'), config }, input, seen, tapBelow('model', onValue));
    onValue?.('model', states);
    return states;
  });
}

/**
 * Raw scores of videos, one at each special token in the order of the text: [B, specialTokens.length]
 * (VideoAlign: visual quality, motion quality, text alignment).
 *
 * A head with one row reads every special token; one with more reads token j by its row j.
 *
 * @param specialTokens - their ids; each sequence holds each of them once
 */
export function qwen2VlRewards(
  net: Part<Qwen2VlConfig>,
  specialTokens: readonly number[],
  input: Qwen2VlInput,
  options: Tapped = {},
): Tensor {
  const { weights } = net;
  return tf.tidy(() => {
    const states = qwen2VlStates(net, input, options);
    const logits = linear(states, weights.get('rm_head.weight'), null); // [B,L,D] -> [B,L,outputs]
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
