import { setImmediate } from 'node:timers/promises';
import { type Tensor, tf } from '../../engine/tf.ts';
import { paced } from '../ode/paced.ts';
import type { SamplerStep } from '../ode/solver.ts';
import { blockSteps, cleanContext, type RolloutOptions, rememberBlock } from './block.ts';
import { type BlockRange, blockRanges, type CausalStudent, sliceFrames } from './causal-student.ts';

/** Options of a sampling rollout. */
export interface SamplingOptions extends RolloutOptions {
  /** Given latent frames [B, f, H, W, C] that come first (video extension, image to video): context passes only. */
  prefix?: Tensor;
}

/** One generated block. */
export interface RolloutBlock extends BlockRange {
  /** Clean latents [B, f, H, W, C]; the receiver disposes them. */
  x0: Tensor;
}

/**
 * Causal few-step generation: yields each block of clean latents as soon as it is done, so that decoding and showing
 * can run alongside. `noise` [B, F, H, W, C] is the initial noise of the frames to generate.
 * Source: Self-Forcing pipeline/causal_inference.py.
 *
 * @throws RangeError if the frames do not fall into blocks, or the prefix ends inside a block.
 */
export async function* rollout<Cache>(
  student: CausalStudent<Cache>,
  noise: Tensor,
  options: SamplingOptions,
): AsyncGenerator<RolloutBlock, void> {
  const given = options.prefix?.shape[1] ?? 0;
  const ranges = blockRanges(given + noise.shape[1]!, student.blocks);
  checkPrefix(ranges, given);
  let cache = student.emptyCache(noise);
  try {
    for (const range of ranges) {
      options.signal?.throwIfAborted();
      const isGiven = range.start < given;
      const x0 = isGiven
        ? sliceFrames(options.prefix!, range)
        : await generateFrom(student, noise, { range, given, cache }, options);
      if (range !== ranges.at(-1)) {
        const context = isGiven ? { ...options, context: cleanContext } : options;
        cache = rememberBlock(student, { index: range.index, x0, cache }, context);
      }
      await setImmediate();
      if (isGiven) x0.dispose();
      else yield { ...range, x0 };
    }
  } finally {
    student.release(cache);
  }
}

async function generateFrom<Cache>(
  student: CausalStudent<Cache>,
  noise: Tensor,
  { range, given, cache }: { range: BlockRange; given: number; cache: Cache },
  options: SamplingOptions,
): Promise<Tensor> {
  const { signal, onStep } = options;
  const { index } = range;
  const x = sliceFrames(noise, { start: range.start - given, frames: range.frames });
  try {
    const report = onStep && ((step: SamplerStep) => onStep({ ...step, block: index }));
    return await paced(blockSteps(student, { index, x, cache }, options), { signal, onStep: report });
  } finally {
    x.dispose();
  }
}

function checkPrefix(ranges: readonly BlockRange[], given: number): void {
  if (given === 0 || ranges.some(({ start }) => start === given)) return;
  const borders = ranges.slice(1).map(({ start }) => start);
  throw new RangeError(`prefix: ${given} frames end inside a block; blocks begin at frames ${borders.join(', ')}`);
}

/** Runs a rollout to its end: latents [B, F, H, W, C] of the generated frames. */
export async function rolloutLatents<Cache>(
  student: CausalStudent<Cache>,
  noise: Tensor,
  options: SamplingOptions,
): Promise<Tensor> {
  const blocks: Tensor[] = [];
  try {
    for await (const { x0 } of rollout(student, noise, options)) blocks.push(x0);
    return tf.concat(blocks, 1); // [B, F, H, W, C]
  } finally {
    tf.dispose(blocks);
  }
}
