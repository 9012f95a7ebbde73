/** Rewards on CLIP's embedding: how well a frame shows the prompt, and how much people like its look. */
import { linear } from '../engine/ops/index.ts';
import { type Tensor, tf } from '../engine/tf.ts';
import {
  type ClipConfig,
  type ClipTokenizer,
  clipImageFeatures,
  clipTextFeatures,
  imageTransforms,
  preprocess,
  unitRows,
} from '../model/internal.ts';
import {
  type Architecture,
  architecture,
  type CheckpointEntries,
  type Net,
  type NetAbout,
  type Part,
  type Shapes,
  Weights,
} from '../nn/index.ts';
import { createReward, type Reward, sourceOf } from './contract.ts';
import { clampFrames, type FrameClamp } from './frames.ts';

export interface ClampOptions {
  /** What happens to frame values outside [0, 1]. @defaultValue 'hard' */
  readonly clamp?: FrameClamp;
}

/** Prompts in CLIP's space, [B, D], of length 1. */
export type ClipText = { readonly features: Tensor };

/**
 * Cosine of frame and prompt in CLIP's space, -1 to 1. Prompts are encoded by `encode`, once for as many frames as
 * are scored with them. It owns `net` from here on. Source: Radford et al. 2021; Hessel et al. 2021 without their
 * factor.
 *
 * @throws Error for a net without text tower.
 * @example
 * const net = await model.clip.load(model.clip.presets['vit-l-14'], file.entries());
 * const reward = clipScore(net, await openClipTokenizer('tokenizer.json'));
 */
export function clipScore(
  net: Net<ClipConfig>,
  tokenizer: ClipTokenizer,
  { clamp = 'hard' }: ClampOptions = {},
): Reward<ClipText> {
  const { config } = net;
  if (config.towers === 'vision') throw new Error("clipScore received CLIP's image tower alone; wanted both towers");
  return createReward({
    info: {
      id: 'clip-score',
      kind: 'frame',
      differentiable: true,
      inputSize: null,
      weights: { clip: sourceOf(net) },
      settings: { clamp, size: config.image_resolution },
    },
    encode: (prompts) => ({
      features: tf.tidy(() => unitRows(clipTextFeatures(net, tokenizer.batch(prompts, config.context_length)))),
    }),
    compute: (frames, { features }) => {
      return tf.sum(tf.mul(unitRows(imageFeatures(net, frames, clamp)), features), 1); // [B,D] . [B,D] -> [B]
    },
    dispose: () => net.dispose(),
  });
}

/** Image embeddings [B, D] of frames [B, H, W, 3]. */
function imageFeatures(net: Net<ClipConfig>, frames: Tensor, clamp: FrameClamp): Tensor {
  const transform = { ...imageTransforms.clip, size: net.config.image_resolution };
  return clipImageFeatures(net, preprocess(clampFrames(frames, clamp), transform));
}

/** Between the layers of an aesthetic head: `relu` for `ava+logos-l14-reluMSE.pth`, nothing for the others. */
export type HeadActivation = 'none' | 'relu';

/** What an aesthetic head is made of. */
export interface AestheticHeadConfig {
  /** [out, in] of the weight of each layer by its name, in order; `bias` stands beside `weight`. */
  readonly layers: readonly (readonly [name: string, shape: readonly [number, number]])[];
  /** @defaultValue 'none' */
  readonly activation?: HeadActivation;
}

/** Aesthetic heads as they are published: LAION's first predictor, which VBench uses, and the improved one. */
export const aestheticHead: Architecture<AestheticHeadConfig, typeof aestheticScore, 'laion' | 'improved'> =
  architecture({
    name: 'aesthetic head',
    presets: {
      laion: { layers: [['weight', [1, 768]]] },
      improved: {
        layers: [
          ['layers.0.weight', [1024, 768]],
          ['layers.2.weight', [128, 1024]],
          ['layers.4.weight', [64, 128]],
          ['layers.6.weight', [16, 64]],
          ['layers.7.weight', [1, 16]],
        ],
      },
    },
    shapes: ({ layers }) =>
      new Map(
        layers.flatMap(([name, shape]): [string, readonly number[]][] => [
          [name, shape],
          [biasOf(name), [shape[0]]],
        ]),
      ),
    forward: aestheticScore,
  });

function biasOf(weight: string): string {
  return weight.replace(/weight$/, 'bias');
}

/**
 * An aesthetic head from its published file, whose tensors tell its layers: `weight`, `bias` (LAION's first predictor), or
 * `layers.N.weight`, `layers.N.bias` (the improved predictor).
 *
 * @throws Error if the tensors are neither.
 * @example await loadAestheticHead((await openPth('sa_0_4_vit_l_14_linear.pth')).entries())
 */
export async function loadAestheticHead(
  entries: CheckpointEntries,
  { activation = 'none', about }: { activation?: HeadActivation; about?: NetAbout } = {},
): Promise<Net<AestheticHeadConfig>> {
  const weights = await Weights.stream(entries, { trainable: false });
  try {
    return aestheticHead.net({ layers: headLayers(weights.shapes()), activation }, weights, about);
  } catch (error) {
    weights.dispose();
    throw error;
  }
}

/** Layers of a head in order, each reading what the one before gives, the last a single value. */
function headLayers(shapes: Shapes): AestheticHeadConfig['layers'] {
  const place = (name: string): number => Number(/\d+/.exec(name)?.[0] ?? 0);
  const names = [...shapes.keys()].filter((name) => /^(layers\.\d+\.)?weight$/.test(name));
  const layers = names.sort((a, b) => place(a) - place(b)).map((name) => [name, shapes.get(name)!] as const);
  const chained = layers.every(([, shape], i) => shape.length === 2 && (i === 0 || layers[i - 1]![1][0] === shape[1]));
  if (chained && layers.at(-1)?.[1][0] === 1) return layers as unknown as AestheticHeadConfig['layers'];
  throw new Error(
    `an aesthetic head has ${[...shapes].map(([name, shape]) => `${name} [${shape}]`).join(', ')}; ` +
      'wanted weight [1, D], bias [1], or layers.N.weight and layers.N.bias that end in one value',
  );
}

/** Scores [B], about 0 to 10, of image features [B, D]: an affine map or an MLP of the embedding of length 1. */
export function aestheticScore({ weights, config }: Part<AestheticHeadConfig>, features: Tensor): Tensor {
  return tf.tidy(() => {
    const score = config.layers.reduce((x, [name], i) => {
      const input = i > 0 && config.activation === 'relu' ? tf.relu(x) : x;
      return linear(input, weights.get(name), weights.get(biasOf(name)));
    }, unitRows(features));
    return tf.reshape(score, [-1]); // [B, 1] -> [B]
  });
}

/** The networks of an aesthetic predictor. */
export interface AestheticNets {
  /** CLIP; its image tower is enough (`towers: 'vision'`). */
  readonly clip: Net<ClipConfig>;
  /** From {@link loadAestheticHead}. */
  readonly head: Net<AestheticHeadConfig>;
}

/**
 * How much people like the look of a frame, whatever the prompt, about 4 to 7; VBench reports a tenth of it. It owns
 * its networks from here on. Source: LAION aesthetic-predictor; Schuhmann, improved-aesthetic-predictor.
 *
 * @throws Error when the head does not read what the image tower gives.
 */
export function aestheticReward({ clip, head }: AestheticNets, { clamp = 'hard' }: ClampOptions = {}): Reward {
  const { config } = clip;
  const width = head.config.layers[0]?.[1][1];
  if (width !== config.embed_dim) {
    throw new Error(`the head reads ${width} values; wanted ${config.embed_dim}, as the image tower gives`);
  }
  return createReward({
    info: {
      id: 'aesthetic',
      kind: 'frame',
      differentiable: true,
      inputSize: null,
      weights: { clip: sourceOf(clip), head: sourceOf(head) },
      settings: { activation: head.config.activation ?? 'none', clamp, size: config.image_resolution },
    },
    encode: () => ({}),
    compute: (frames) => aestheticScore(head, imageFeatures(clip, frames, clamp)),
    dispose: () => {
      clip.dispose();
      head.dispose();
    },
  });
}
