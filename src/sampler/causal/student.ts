/** A causal network as a rollout sees it: blocks of frames that attend to a cache of their past. */
import { type Tensor, tf } from '../../engine/tf.ts';
import {
  createCache,
  createCrossAttnCache,
  disposeCache,
  type KvCache,
  tokenGrid,
  type WanConfig,
  wanCachedForward,
} from '../../model/internal.ts';
import { type Key, type Part, toTensor } from '../../nn/index.ts';

/**
 * What a rollout asks of a causal video network that is bound to its weights and to the prompts of one batch.
 * The cache holds keys and values of the frames so far. It is a value: no method changes it in place, so that a
 * gradient through one call never reaches another.
 */
export interface CausalStudent {
  readonly blocks: BlockOptions;
  /** A cache without frames, for videos of the size of `video` [B, F, H, W, C]. */
  emptyCache(video: Tensor): KvCache;
  /**
   * Velocity of the next block `x` [B, f, H, W, C], all frames at timestep t, attending to the cache and to itself.
   * The cache counts as a constant. With `gradient` the result is differentiable in x and in all weights; without it
   * the student may reuse what it computed before, such as the keys and values of the text.
   */
  velocity(x: Tensor, t: number, cache: KvCache, options?: { gradient?: boolean }): Tensor;
  /** Context pass: a cache that also holds the block `x0` as seen at timestep t. Takes over `cache`. */
  remember(x0: Tensor, t: number, cache: KvCache): KvCache;
  release(cache: KvCache): void;
}

/** A causal student that holds the keys and values of its prompts until it is disposed. */
export interface BoundStudent extends CausalStudent {
  dispose(): void;
}

/**
 * A causal Wan transformer bound to the prompts of one batch, for rollouts.
 * The text's keys and values are computed here, once, and used by all passes without gradient; passes with gradient
 * compute them anew, so that the text layers learn. Make a new student after a weight update.
 *
 * @param context text embeddings [B, n <= text_len, text_dim]
 */
export function causalStudent(net: Part<WanConfig>, context: Tensor): BoundStudent {
  const { config } = net;
  const text = createCrossAttnCache(net, context);
  const pass = (x: Tensor, t: number, cache: KvCache, source: Tensor | typeof text = text) =>
    wanCachedForward(net, { x, t, context: source }, cache);
  return {
    blocks: blocksOf(config),
    emptyCache: (video) => {
      const [, height, width] = tokenGrid(config, video);
      return createCache(config, height * width);
    },
    velocity: (x, t, cache, { gradient = false } = {}) =>
      tf.tidy(() => pass(x, t, cache, gradient ? context : text).velocity),
    remember: (x0, t, cache) => {
      const { velocity, cache: next } = pass(x0, t, cache);
      velocity.dispose();
      disposeCache(cache);
      return next;
    },
    release: disposeCache,
    dispose: () => disposeCache(text),
  };
}

/** A run of frames that is generated at once. */
export interface BlockRange {
  index: number;
  start: number;
  frames: number;
}

export interface BlockOptions {
  framesPerBlock: number;
  /** Whether the first frame is a block of its own (image to video). */
  independentFirstFrame?: boolean;
}

/** How the latent frames of a network's videos fall into blocks. */
export function blocksOf({ num_frame_per_block, patch_size, independent_first_frame }: WanConfig): BlockOptions {
  return { framesPerBlock: num_frame_per_block * patch_size[0], independentFirstFrame: independent_first_frame };
}

/** The blocks of a clip: n frames each, after a single first frame if wanted. Frames must fit exactly. */
export function blockRanges(
  frames: number,
  { framesPerBlock, independentFirstFrame = false }: BlockOptions,
): BlockRange[] {
  const lead = independentFirstFrame ? 1 : 0;
  const blocks = (frames - lead) / framesPerBlock;
  if (!Number.isInteger(blocks) || frames < 1 || framesPerBlock < 1) {
    throw new RangeError(
      `${frames} latent frames do not fall into blocks of ${framesPerBlock}${lead ? ' after one first frame' : ''}; ` +
        `give ${lead ? '1 + ' : ''}a multiple of ${framesPerBlock} frames, or another framesPerBlock`,
    );
  }
  const sizes = [...Array<number>(lead).fill(1), ...Array<number>(blocks).fill(framesPerBlock)];
  return sizes.map((size, index) => ({
    index,
    start: index === 0 ? 0 : lead + (index - lead) * framesPerBlock,
    frames: size,
  }));
}

/** Noise for the re-noising after step `step` of block `block`. */
export type BlockNoise = (block: number, step: number, shape: number[]) => Tensor;

/** Re-noising from a key: each block and step draws from its own stream, in whatever order they are asked for. */
export function seededNoise(key: Key): BlockNoise {
  return (block, step, shape) => toTensor(key.stream(block).stream(step).normal(shape));
}

/** Frames `start .. start + frames` of a video [B, F, H, W, C]. */
export function sliceFrames(video: Tensor, { start, frames }: { start: number; frames: number }): Tensor {
  const [batch = 0, , ...rest] = video.shape;
  return tf.slice(video, [0, start, ...rest.map(() => 0)], [batch, frames, ...rest]); // [B, f, H, W, C]
}
