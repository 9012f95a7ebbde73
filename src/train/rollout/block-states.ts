import { type Tensor, tf } from '../../engine/tf.ts';
import { type BlockRange, type CausalStudent, type SelfRollout, velocityToX0 } from '../../sampler/index.ts';

/** A student's input at one block, with its memory of the blocks before. */
export type BlockState<Cache> = Pick<SelfRollout<Cache>, 'cache' | 'x' | 't' | 'sigma'>;

/** Noise level and timestep of a denoising step. */
export interface Level {
  t: number;
  sigma: number;
}

/**
 * A state for each block, whose memory holds the clean `latents` of the blocks before: the same past that a rollout
 * with clean context had. `inputs` `[B, f, H, W, C]` stay the caller's; release the memories with `releaseStates`.
 */
export function blockStates<Cache>(
  student: CausalStudent<Cache>,
  blocks: readonly BlockRange[],
  latents: readonly Tensor[],
  inputs: readonly Tensor[],
  level: Level,
): BlockState<Cache>[] {
  return blocks.map(({ index }, i) => {
    let cache = student.emptyCache(latents[0]!);
    for (const past of latents.slice(0, index)) cache = student.remember(past, 0, cache);
    return { cache, x: inputs[i]!, ...level };
  });
}

/** The student's clean estimate `[B, f, H, W, C]` at a state, with gradient. */
export function estimateAt<Cache>(student: CausalStudent<Cache>, { x, t, sigma, cache }: BlockState<Cache>): Tensor {
  return tf.tidy(() => velocityToX0(x, student.velocity(x, t, cache, { gradient: true }), sigma));
}

/** Release the memories of states. */
export function releaseStates<Cache>(student: CausalStudent<Cache>, states: readonly BlockState<Cache>[]): void {
  for (const { cache } of states) student.release(cache);
}
