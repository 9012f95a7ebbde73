import { type Tensor, tf } from '../engine/tf.ts';
import {
  type ClipConfig,
  type ClipTokenizer,
  clipImageFeatures,
  clipPresets,
  clipShapes,
  clipTextFeatures,
  normalised,
} from '../model/clip/index.ts';
import { imageTransforms, preprocess } from '../model/preprocess/index.ts';
import { checkShapes, type Weights } from '../nn/index.ts';
import { createReward, type Reward } from './contract.ts';
import { clampFrames, type FrameClamp } from './frame-clamp.ts';

/** Dials of the CLIP score. */
export interface ClipScoreOptions {
  /** Default `vit-l-14`. */
  readonly config?: ClipConfig;
  /** What happens to frame values outside [0, 1] (default `hard`). */
  readonly clamp?: FrameClamp;
  readonly weightsSha256?: string;
}

/**
 * Cosine of frame and prompt in CLIP's space, -1 to 1. Prompts are encoded by `encode`, once for as many frames as
 * are scored with them. It owns `weights` from here on. Source: Radford et al. 2021; Hessel et al. 2021 without their
 * factor.
 *
 * @throws when the weights do not fit the configuration.
 */
export function clipScore(weights: Weights, tokenizer: ClipTokenizer, options: ClipScoreOptions = {}): Reward {
  const { config = clipPresets['vit-l-14'], clamp, weightsSha256 } = options;
  checkShapes(weights.shapes(), clipShapes(config), 'the weights of CLIP');
  const transform = { ...imageTransforms.clip, size: config.image_resolution };
  return createReward({
    info: {
      id: 'clip-score',
      kind: 'frame',
      differentiable: true,
      higherIsBetter: true,
      inputSize: null,
      ...(weightsSha256 && { weightsSha256 }),
    },
    textInputs: 1,
    encode: (prompts) => [
      tf.tidy(() => {
        const ids = tokenizer.batch(prompts, config.context_length);
        return normalised(clipTextFeatures({ weights, config }, ids));
      }),
    ],
    compute: (frames, text) => {
      const images = preprocess(clampFrames(frames, clamp), transform);
      const features = normalised(clipImageFeatures({ weights, config }, images));
      return tf.sum(tf.mul(features, text[0] as Tensor), 1); // [B,D] . [B,D] -> [B]
    },
    dispose: () => weights.dispose(),
  });
}
