import { type Tensor, tf } from '../../../engine/tf.ts';
import { type Architecture, architecture, checkShapes, type Weights } from '../../../nn/index.ts';
import type { Scale } from '../../../reward/combine.ts';
import { createReward, type Reward } from '../../../reward/contract.ts';
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
  config?: SmallRewardConfig;
  /** Scale of the raw score on a reference set; raw scores go out when left out. */
  scale?: Scale;
  id?: string;
  weightsSha256?: string;
}

/**
 * The small frame reward: how well a 32x32 frame shows a caption of the digit world, and how cleanly.
 * It owns `weights` from here on.
 * @throws when the weights do not fit the configuration.
 */
export function smallReward(weights: Weights, options: SmallRewardOptions = {}): Reward {
  const { config = SMALL_REWARD, scale = { mean: 0, std: 1 }, id = 'small', weightsSha256 } = options;
  checkShapes(weights.shapes(), smallRewardShapes(config), `the weights of ${id}`);
  return createReward({
    info: {
      id,
      kind: 'frame',
      differentiable: true,
      higherIsBetter: true,
      inputSize: [config.size, config.size],
      ...scale,
      ...(weightsSha256 && { weightsSha256 }),
    },
    textInputs: 1,
    encode: (prompts) => [captionTokens(prompts, config.textLength)],
    compute: (frames, text) => {
      const raw = smallRewardForward({ weights, config }, frames, text[0]!);
      return tf.div(tf.sub(raw, scale.mean), scale.std);
    },
    dispose: () => weights.dispose(),
  });
}

/** Captions as int32 [B, length]. */
export function captionTokens(prompts: readonly string[], length: number): Tensor {
  const ids = prompts.flatMap((prompt) => digits.tokenize(prompt, length));
  return tf.tensor2d(Int32Array.from(ids), [prompts.length, length], 'int32');
}
