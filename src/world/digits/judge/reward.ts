import { type Tensor, tf } from '../../../engine/tf.ts';
import { type Architecture, architecture, type Net } from '../../../nn/index.ts';
import { createReward, type Reward, type Scale } from '../../../reward/index.ts';
import { sourceOf } from '../../../reward/internal.ts';
import { digits } from '../../index.ts';
import { SECOND_JUDGE, SMALL_REWARD, type SmallRewardConfig, smallRewardInitial, smallRewardShapes } from './config.ts';
import { smallRewardForward } from './model.ts';

/** The small frame reward's network. */
export const smallRewardNet: Architecture<SmallRewardConfig, typeof smallRewardForward, 'reward' | 'judge'> =
  architecture({
    name: 'small reward',
    presets: { reward: SMALL_REWARD, judge: SECOND_JUDGE },
    shapes: smallRewardShapes,
    initial: smallRewardInitial,
    forward: smallRewardForward,
  });

/** How `smallReward` is set up. */
export interface SmallRewardOptions {
  /** Scale of the raw score on a reference set. @defaultValue `{ mean: 0, std: 1 }`: raw scores */
  readonly scale?: Scale;
  /** @defaultValue 'small' */
  readonly id?: string;
}

/**
 * The small frame reward: how well a 32x32 frame shows a caption of the digit world, and how cleanly. It owns `net` from
 * here on.
 */
export function smallReward(
  net: Net<SmallRewardConfig>,
  { scale = { mean: 0, std: 1 }, id = 'small' }: SmallRewardOptions = {},
): Reward<{ readonly tokens: Tensor }> {
  const { size, textLength } = net.config;
  return createReward({
    info: {
      id,
      kind: 'frame',
      differentiable: true,
      inputSize: [size, size],
      ...scale,
      weights: { reward: sourceOf(net) },
    },
    encode: (prompts) => ({ tokens: captionTokens(prompts, textLength) }),
    compute: (frames, { tokens }) => tf.div(tf.sub(smallRewardForward(net, frames, tokens), scale.mean), scale.std),
    dispose: () => net.dispose(),
  });
}

/** Captions as int32 [B, length]. */
export function captionTokens(prompts: readonly string[], length: number): Tensor {
  const ids = prompts.flatMap((prompt) => digits.tokenize(prompt, length));
  return tf.tensor2d(Int32Array.from(ids), [prompts.length, length], 'int32');
}
