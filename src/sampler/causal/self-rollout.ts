/** Rollouts of training: up to the last network call, which alone carries gradient. */
import { setImmediate } from 'node:timers/promises';
import { type Tensor, tf } from '../../engine/tf.ts';
import type { KvCache } from '../../model/internal.ts';
import type { Key } from '../../nn/index.ts';
import { addNoise, velocityToX0 } from '../ode/velocity.ts';
import { generateBlock, type RolloutOptions, rememberBlock } from './rollout.ts';
import { type BlockRange, blockRanges, type CausalStudent, sliceFrames } from './student.ts';

export interface SelfRolloutOptions extends RolloutOptions {
  /** Index of the denoising step at which a block stops: one for all blocks (Self-Forcing), or one per block. */
  exitStep: number | readonly number[];
}

/** A rollout up to its last network call, the only one that carries gradient. */
export interface SelfRollout {
  /** Clean latents [B, f, H, W, C] of all blocks but the last, constants. */
  blocks: Tensor[];
  /** Keys and values of those blocks. */
  cache: KvCache;
  /** Input [B, f, H, W, C] of the last block's exit step, its timestep and noise level. */
  x: Tensor;
  t: number;
  sigma: number;
  release(): void;
}

/**
 * Self-rollout for a reward on the last frame: each block is generated from the student's own earlier blocks and
 * stopped at its exit step, whose x0 is its output and its context. Call it outside the loss; `lastBlock` inside the
 * loss runs the one pass that carries gradient, so memory is that of a single block.
 * Source: Self-Forcing pipeline/self_forcing_training.py, with a cache that is really detached.
 */
export async function selfRollout(
  student: CausalStudent,
  noise: Tensor,
  options: SelfRolloutOptions,
): Promise<SelfRollout> {
  const ranges = blockRanges(noise.shape[1]!, student.blocks);
  const exits = exitSteps(options, ranges.length);
  const blocks: Tensor[] = [];
  let cache = student.emptyCache(noise);
  try {
    for (const { index, ...range } of ranges.slice(0, -1)) {
      options.signal?.throwIfAborted();
      const x = sliceFrames(noise, range);
      const x0 = generateBlock(student, { index, x, cache }, options, exits[index]! + 1);
      x.dispose();
      blocks.push(x0);
      cache = rememberBlock(student, { index, x0, cache }, options);
      await setImmediate();
    }
    const [last, exit] = [ranges.at(-1)!, exits.at(-1)!];
    const x = sampleAtStep(student, noise, { last, cache, exit }, options);
    const release = (): void => {
      student.release(cache);
      tf.dispose([x, ...blocks]);
    };
    return { blocks, cache, x, t: options.schedule.timesteps[exit]!, sigma: options.schedule.sigmas[exit]!, release };
  } catch (error) {
    student.release(cache);
    tf.dispose(blocks);
    throw error;
  }
}

/** The last block's sample at its exit step: the initial noise, or the re-noised x0 of the step before. */
function sampleAtStep(
  student: CausalStudent,
  noise: Tensor,
  { last, cache, exit }: { last: BlockRange; cache: KvCache; exit: number },
  options: SelfRolloutOptions,
): Tensor {
  return tf.tidy(() => {
    const x = sliceFrames(noise, last);
    if (exit === 0) return x;
    const x0 = generateBlock(student, { index: last.index, x, cache }, options, exit);
    return addNoise(x0, options.renoise(last.index, exit - 1, x.shape), options.schedule.sigmas[exit]!);
  });
}

/** The network call that a self-rollout left out: x0 [B, f, H, W, C] of the last block, with gradient. */
export function lastBlock(
  student: CausalStudent,
  { x, t, sigma, cache }: Pick<SelfRollout, 'x' | 't' | 'sigma' | 'cache'>,
): Tensor {
  return tf.tidy(() => velocityToX0(x, student.velocity(x, t, cache, { gradient: true }), sigma));
}

function exitSteps({ exitStep, schedule }: SelfRolloutOptions, blocks: number): number[] {
  const exits = typeof exitStep === 'number' ? Array<number>(blocks).fill(exitStep) : [...exitStep];
  const steps = schedule.timesteps.length;
  if (exits.length === blocks && exits.every((exit) => Number.isInteger(exit) && exit >= 0 && exit < steps))
    return exits;
  throw new RangeError(
    `exitStep: wanted one index in 0..${steps - 1}, or ${blocks} of them (one per block), received ${String(exitStep)}`,
  );
}

/** Draws exit steps: one for all blocks, always the last step, or one for each block. */
export function drawExitSteps(
  key: Key,
  { steps, blocks, mode = 'shared' }: { steps: number; blocks: number; mode?: 'shared' | 'last' | 'per-block' },
): number[] {
  if (mode === 'per-block') return [...key.integers(0, steps, blocks)];
  const exit = mode === 'last' ? steps - 1 : key.integer(0, steps);
  return Array<number>(blocks).fill(exit);
}
