/** Causal few-step generation block by block: denoise a block, remember it, go on. */
import { setImmediate } from 'node:timers/promises';
import { type Tensor, tf } from '../../engine/tf.ts';
import type { KvCache } from '../../model/internal.ts';
import type { Schedule } from '../ode/schedule.ts';
import { paced, runSteps, type SamplerStep } from '../ode/solver.ts';
import { fewStep } from '../ode/solvers.ts';
import { addNoise } from '../ode/velocity.ts';
import { type BlockNoise, type BlockRange, blockRanges, type CausalStudent, sliceFrames } from './student.ts';

export interface ContextNoise {
  /** Timestep at which the network sees the block. */
  t: number;
  /**
   * Noise level to which the block is re-noised first: 0 in inference. Self-Forcing's training rollout uses the
   * table's entry for t, which for t = 0 is small but not 0.
   */
  sigma: number;
}

/** What every rollout needs beside the student and its initial noise. */
export interface RolloutOptions {
  /** Denoising steps, see `denoisingSteps`. */
  schedule: Schedule;
  /** Fresh noise; `step` counts the denoising steps, the context pass asks for step = number of steps. */
  renoise: BlockNoise;
  /** @defaultValue clean context at timestep 0 */
  context?: ContextNoise;
  /** Stops before the next step (in training rollouts the next block) with the signal's reason. */
  signal?: AbortSignal;
}

/** A denoising step of one block. */
export type BlockStep = SamplerStep & { block: number };

/** Clean context at timestep 0. */
export const cleanContext: ContextNoise = { t: 0, sigma: 0 };

/** A block to generate: x [B, f, H, W, C] at the first level of the schedule, and the cache of its past. */
export interface NoisyBlock {
  readonly index: number;
  readonly x: Tensor;
  readonly cache: KvCache;
}

/** Few-step sampling of one block through the first `steps` levels of the schedule (default all) to its x0. */
export function generateBlock(
  student: CausalStudent,
  block: NoisyBlock,
  options: RolloutOptions,
  steps?: number,
): Tensor {
  return runSteps(blockSteps(student, block, options, steps));
}

function blockSteps(
  student: CausalStudent,
  { index, x, cache }: NoisyBlock,
  { schedule, renoise }: RolloutOptions,
  steps: number = schedule.timesteps.length,
): Generator<SamplerStep, Tensor, void> {
  const velocity = (sample: Tensor, t: number): Tensor => student.velocity(sample, t, cache);
  return fewStep.steps(velocity, x, firstSteps(schedule, steps), (step, shape) => renoise(index, step, shape));
}

/** The first `count` steps of a few-step schedule, after which x0 is taken. */
function firstSteps({ sigmas, timesteps }: Schedule, count: number): Schedule {
  const kept = new Float64Array(count + 1);
  kept.set(sigmas.subarray(0, count));
  return { sigmas: kept, timesteps: timesteps.subarray(0, count) };
}

/** Context pass: the cache with block `index` appended, re-noised first if the context asks for it. */
export function rememberBlock(
  student: CausalStudent,
  block: { index: number; x0: Tensor; cache: KvCache },
  { schedule, renoise, context = cleanContext }: RolloutOptions,
): KvCache {
  const { index, x0, cache } = block;
  const { t, sigma } = context;
  if (sigma === 0) return student.remember(x0, t, cache);
  const seen = tf.tidy(() => addNoise(x0, renoise(index, schedule.timesteps.length, x0.shape), sigma));
  const next = student.remember(seen, t, cache);
  seen.dispose();
  return next;
}

export interface SamplingOptions extends RolloutOptions {
  /** Given latent frames [B, f, H, W, C] that come first (video extension, image to video): context passes only. */
  prefix?: Tensor;
  /** Sees each step and may take its time; the tensors live until it is done. */
  onStep?: ((step: BlockStep) => void | Promise<void>) | undefined;
}

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
export async function* rollout(
  student: CausalStudent,
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

async function generateFrom(
  student: CausalStudent,
  noise: Tensor,
  { range, given, cache }: { range: BlockRange; given: number; cache: KvCache },
  options: SamplingOptions,
): Promise<Tensor> {
  const { signal, onStep } = options;
  const { index } = range;
  const x = sliceFrames(noise, { start: range.start - given, frames: range.frames });
  try {
    const report = onStep && ((step: SamplerStep) => onStep({ ...step, block: index }));
    return await paced(blockSteps(student, { index, x, cache }, options), report, signal);
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
export async function rolloutLatents(student: CausalStudent, noise: Tensor, options: SamplingOptions): Promise<Tensor> {
  const blocks: Tensor[] = [];
  try {
    for await (const { x0 } of rollout(student, noise, options)) blocks.push(x0);
    return tf.concat(blocks, 1); // [B, F, H, W, C]
  } finally {
    tf.dispose(blocks);
  }
}
