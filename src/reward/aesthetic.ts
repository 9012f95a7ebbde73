import { linear } from '../engine/ops/index.ts';
import { type Tensor, tf } from '../engine/tf.ts';
import { type ClipConfig, clipImageFeatures, clipPresets, clipShapes, normalised } from '../model/clip/index.ts';
import type { CheckpointEntries } from '../model/index.ts';
import { imageTransforms, preprocess } from '../model/preprocess/index.ts';
import { checkShapes, type WeightSource, Weights } from '../nn/index.ts';
import { createReward, type Reward } from './contract.ts';
import { clampFrames, type FrameClamp } from './frame-clamp.ts';

/** Between the layers of an aesthetic head: `relu` for `ava+logos-l14-reluMSE.pth`, nothing for the others. */
export type HeadActivation = 'none' | 'relu';

/**
 * An aesthetic head from its published file: `weight`, `bias` (LAION's first predictor, which VBench uses), or
 * `layers.N.weight`, `layers.N.bias` (the improved predictor).
 *
 * @throws Error if the tensors are neither.
 * @example await loadAestheticHead((await openPth('sa_0_4_vit_l_14_linear.pth')).entries())
 */
export async function loadAestheticHead(entries: CheckpointEntries): Promise<Weights> {
  const head = await Weights.stream(streamed(entries), { trainable: false });
  try {
    headWidth(head);
  } catch (error) {
    head.dispose();
    throw error;
  }
  return head;
}

async function* streamed(entries: CheckpointEntries): AsyncGenerator<readonly [string, WeightSource]> {
  yield* entries;
}

/** Width of the embedding that a head reads. */
function headWidth(head: Weights): number {
  const layers = headLayers(head);
  const chained = layers.every(
    ([weight], i) => weight.rank === 2 && (i === 0 || layers[i - 1]![0].shape[0] === weight.shape[1]),
  );
  const last = layers.at(-1);
  if (chained && last?.[0].shape[0] === 1) return layers[0]![0].shape[1]!;
  throw new Error(
    `an aesthetic head has ${[...head.shapes()].map(([name, shape]) => `${name} [${shape}]`).join(', ')}; ` +
      'wanted weight [1, D], bias [1], or layers.N.weight and layers.N.bias that end in one value',
  );
}

/** Weight and bias of each layer in order. */
function headLayers(head: Weights): [Tensor, Tensor][] {
  const place = (name: string): number => Number(/\d+/.exec(name)?.[0] ?? 0);
  const names = head.names().filter((name) => /^(layers\.\d+\.)?weight$/.test(name));
  return names
    .sort((a, b) => place(a) - place(b))
    .map((name) => [head.get(name), head.get(name.replace(/weight$/, 'bias'))]);
}

/**
 * Aesthetic scores [B], about 0 to 10, of image features [B, D] from {@link clipImageFeatures}: an affine map or an
 * MLP of the embedding of length 1.
 */
export function aestheticScore(head: Weights, features: Tensor, activation: HeadActivation = 'none'): Tensor {
  return tf.tidy(() => {
    const score = headLayers(head).reduce((x, [weight, bias], i) => {
      return linear(i > 0 && activation === 'relu' ? tf.relu(x) : x, weight, bias);
    }, normalised(features));
    return tf.reshape(score, [-1]); // [B, 1] -> [B]
  });
}

/** Dials of the aesthetic reward. */
export interface AestheticOptions {
  /** Sizes of the image tower (default `vit-l-14`). */
  readonly config?: ClipConfig;
  readonly activation?: HeadActivation;
  /** What happens to frame values outside [0, 1] (default `hard`). */
  readonly clamp?: FrameClamp;
  readonly weightsSha256?: string;
}

/** The weights of an aesthetic predictor. */
export interface AestheticWeights {
  /** CLIP's image tower (`clip` with `towers: 'vision'`). */
  readonly clip: Weights;
  /** From {@link loadAestheticHead}. */
  readonly head: Weights;
}

/**
 * How much people like the look of a frame, whatever the prompt, about 4 to 7; VBench reports a tenth of it. It owns
 * its weights from here on. Source: LAION aesthetic-predictor; Schuhmann, improved-aesthetic-predictor.
 *
 * @throws when the weights do not fit the configuration.
 */
export function aestheticReward({ clip, head }: AestheticWeights, options: AestheticOptions = {}): Reward {
  const { config = clipPresets['vit-l-14'], activation = 'none', clamp, weightsSha256 } = options;
  checkShapes(clip.shapes(), clipShapes({ ...config, towers: 'vision' }), "the weights of CLIP's image tower");
  if (headWidth(head) !== config.embed_dim) {
    throw new Error(`the head reads ${headWidth(head)} values; wanted ${config.embed_dim}, as the image tower gives`);
  }
  const transform = { ...imageTransforms.clip, size: config.image_resolution };
  return createReward({
    info: {
      id: 'aesthetic',
      kind: 'frame',
      differentiable: true,
      higherIsBetter: true,
      inputSize: null,
      ...(weightsSha256 && { weightsSha256 }),
    },
    textInputs: 0,
    encode: () => [],
    compute: (frames) => {
      const images = preprocess(clampFrames(frames, clamp), transform);
      return aestheticScore(head, clipImageFeatures({ weights: clip, config }, images), activation);
    },
    dispose: () => {
      clip.dispose();
      head.dispose();
    },
  });
}
