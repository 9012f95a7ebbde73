import { type Tensor, tf } from '../engine/tf.ts';
import {
  patchCount,
  patchify,
  type Qwen2VlConfig,
  qwen2VlRewards,
  resizeVideo,
  smartFrameCount,
  smartResize,
  spreadFrames,
} from '../model/internal.ts';
import type { Net } from '../nn/index.ts';
import { createReward, type Reward, sourceOf } from './contract.ts';
import { clampFrames, type FrameClamp } from './frames.ts';
import type { VideoAlignPrompts, VideoAlignText } from './videoalign-prompt.ts';

/** What VideoAlign judges: its VQ, MQ and TA, in the order of its special tokens, or their sum. */
export type VideoAlignDimension = 'visualQuality' | 'motionQuality' | 'textAlignment' | 'overall';

/** Means and deviations of raw scores, by the keys of `inference_config` in VideoAlign's `model_config.json`. */
export interface VideoAlignScale {
  readonly VQ_mean: number;
  readonly VQ_std: number;
  readonly MQ_mean: number;
  readonly MQ_std: number;
  readonly TA_mean: number;
  readonly TA_std: number;
}

/** The scale of the released VideoReward checkpoint. */
export const videoAlignScale: VideoAlignScale = {
  VQ_mean: 3.6757,
  VQ_std: 2.2476,
  MQ_mean: 1.1646,
  MQ_std: 1.3811,
  TA_mean: 2.8105,
  TA_std: 2.5121,
};

/** Dials of VideoAlign; the defaults are those of the released checkpoint. */
export interface VideoAlignOptions {
  /** What `score` gives. @defaultValue 'overall' */
  readonly dimension?: VideoAlignDimension;
  /** Null leaves scores raw. @defaultValue `videoAlignScale` */
  readonly scale?: VideoAlignScale | null;
  /** Frames a second of the clips that are scored. @defaultValue 16, Wan's */
  readonly fps?: number;
  /** Frames a second that the model sees, at least four frames. @defaultValue 2 */
  readonly sampleFps?: number;
  /** Least area of a frame that the model sees. @defaultValue 128 * 28 * 28 */
  readonly minPixels?: number;
  /** Largest area of a frame that the model sees. @defaultValue 448 * 448 */
  readonly maxPixels?: number;
  /** What happens to frame values outside [0, 1]. @defaultValue 'hard' */
  readonly clamp?: FrameClamp;
}

/** A clip reward that can also tell its three dimensions apart. */
export interface VideoAlignReward extends Reward<VideoAlignText> {
  /** Visual quality, motion quality, text alignment: float32 [B, 3], on the scale of the options. */
  dimensions(frames: Tensor, text: VideoAlignText): Tensor;
}

type Settings = Required<Omit<VideoAlignOptions, 'minPixels' | 'maxPixels'>> &
  Pick<VideoAlignOptions, 'minPixels' | 'maxPixels'>;

/**
 * VideoAlign's VideoReward: visual quality, motion quality and text alignment of a clip by Qwen2-VL with a reward
 * head, differentiable to the frames. Frames are sampled and resized as the reference does, without its rounding to
 * bytes. Attention is causal and the prompt comes last, so only text alignment depends on it. It owns `net`.
 *
 * Source: Liu et al. 2025, arXiv 2501.13918; VideoAlign inference.py.
 * @example
 * const reward = videoAlign(net, prompts, { fps: 16, dimension: 'motionQuality' });
 * const scores = await reward.score(video, ['a red fox runs through snow']);
 */
export function videoAlign(
  net: Net<Qwen2VlConfig>,
  prompts: VideoAlignPrompts,
  options: VideoAlignOptions = {},
): VideoAlignReward {
  const { dimension = 'overall', scale = videoAlignScale, fps = 16, sampleFps = 2, clamp = 'hard', ...area } = options;
  const settings: Settings = { dimension, scale, fps, sampleFps, clamp, ...area };
  const dimensions = (frames: Tensor, text: VideoAlignText): Tensor =>
    tf.tidy(() => standardised(rawScores(net, prompts, { frames, text, settings }), scale));
  const reward = createReward({
    info: {
      id: `videoalign-${dimension}`,
      kind: 'clip',
      differentiable: true,
      ...oneScale(dimension, scale),
      inputSize: null,
      weights: { videoalign: sourceOf(net) },
      settings: {
        ...{ fps, sampleFps, clamp, ...area },
        ...(scale === null ? { scale: 'raw' } : { ...scale }),
        template: prompts.templateSha256,
      },
    },
    encode: (texts) => prompts.batch(texts),
    compute: (frames, text) => select(dimensions(frames, text), dimension),
    dispose: () => net.dispose(),
  });
  return { ...reward, dimensions };
}

/** The head's scores, [B, 3]. */
function rawScores(
  net: Net<Qwen2VlConfig>,
  prompts: VideoAlignPrompts,
  { frames, text, settings }: { frames: Tensor; text: VideoAlignText; settings: Settings },
): Tensor {
  const { config } = net;
  const { pixels, grids } = patchify(shownFrames(frames, config, settings), config.vision_config);
  const { before, after, mask: afterMask } = text;
  const [batch, lead] = before.shape as [number, number];
  const seen = patchCount(grids[0]!) / config.vision_config.spatial_merge_size ** 2;
  const ids = tf.concat([before, tf.fill([batch, seen], config.video_token_id, 'int32'), after], 1); // [B, P + V + S]
  const mask = tf.concat([tf.ones([batch, lead + seen], 'int32'), afterMask], 1);
  return qwen2VlRewards(net, prompts.specialTokens, { ids, mask, pixels, grids });
}

/** The frames that the model sees, at its size: [B, T, H, W, 3] -> [B, t, h, w, 3]. */
function shownFrames(frames: Tensor, { vision_config }: Qwen2VlConfig, settings: Settings): Tensor {
  const [batch, total, height, width] = frames.shape as [number, number, number, number, number];
  const { fps, sampleFps, minPixels, maxPixels, clamp } = settings;
  const shown = spreadFrames(total, smartFrameCount(total, fps, { fps: sampleFps }));
  const size = smartResize(height, width, {
    factor: vision_config.patch_size * vision_config.spatial_merge_size,
    ...(minPixels !== undefined && { minPixels }),
    ...(maxPixels !== undefined && { maxPixels }),
  });
  const picked = tf.gather(clampFrames(frames, clamp), tf.tensor1d(shown, 'int32'), 1);
  const resized = resizeVideo(tf.reshape(picked, [batch * shown.length, height, width, 3]), size);
  return tf.reshape(resized, [batch, shown.length, ...size, 3]);
}

const axes = { visualQuality: 'VQ', motionQuality: 'MQ', textAlignment: 'TA' } as const;

/** (raw - mean) / std of each dimension: [B, 3]. */
function standardised(raw: Tensor, scale: VideoAlignScale | null): Tensor {
  if (scale === null) return raw;
  const keys = Object.values(axes);
  const means = tf.tensor1d(keys.map((key) => scale[`${key}_mean`]));
  return tf.div(tf.sub(raw, means), tf.tensor1d(keys.map((key) => scale[`${key}_std`])));
}

/** [B, 3] -> [B] */
function select(scores: Tensor, dimension: VideoAlignDimension): Tensor {
  if (dimension === 'overall') return tf.sum(scores, 1);
  const index = Object.keys(axes).indexOf(dimension);
  return tf.reshape(tf.slice(scores, [0, index], [-1, 1]), [-1]);
}

/** Mean and deviation of a single dimension; the sum has none of its own. */
function oneScale(dimension: VideoAlignDimension, scale: VideoAlignScale | null): { mean?: number; std?: number } {
  if (dimension === 'overall' || scale === null) return {};
  return { mean: scale[`${axes[dimension]}_mean`], std: scale[`${axes[dimension]}_std`] };
}
