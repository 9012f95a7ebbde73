import { type Tensor, tf } from '../../engine/tf.ts';
import { type Key, toTensor } from '../../nn/index.ts';

/**
 * What a rollout asks of a causal video network that is bound to its weights and to the prompts of one batch.
 * `Cache` holds keys and values of the frames so far. It is a value: no method changes it in place, so that a gradient
 * through one call never reaches another.
 */
export interface CausalStudent<Cache> {
  /** How the frames of its videos fall into blocks. */
  readonly blocks: BlockOptions;
  /** A cache without frames, for videos of the size of `video` [B, F, H, W, C]. */
  emptyCache(video: Tensor): Cache;
  /**
   * Velocity of the next block `x` [B, f, H, W, C], all frames at timestep t, attending to the cache and to itself.
   * The cache counts as a constant. With `gradient` the result is differentiable in x and in all weights; without it
   * the student may reuse what it computed before, such as the keys and values of the text.
   */
  velocity(x: Tensor, t: number, cache: Cache, options?: { gradient?: boolean }): Tensor;
  /** Context pass: a cache that also holds the block `x0` as seen at timestep t. Takes over `cache`. */
  remember(x0: Tensor, t: number, cache: Cache): Cache;
  /** Frees the tensors of a cache. */
  release(cache: Cache): void;
}

/** A run of frames that is generated at once. */
export interface BlockRange {
  index: number;
  /** First frame. */
  start: number;
  frames: number;
}

/** How frames fall into blocks. */
export interface BlockOptions {
  framesPerBlock: number;
  /** Whether the first frame is a block of its own (image to video). */
  independentFirstFrame?: boolean;
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
