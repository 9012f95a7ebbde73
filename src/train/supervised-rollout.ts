import { type Tensor, tf } from '../engine/tf.ts';
import {
  type BlockRange,
  type CausalStudent,
  lastBlock,
  type SelfRollout,
  type SelfRolloutOptions,
  selfRollout,
  sliceFrames,
} from '../sampler/index.ts';

/** Pixel frames of a clip of `latents` latent frames: the first makes one, each later one `stride`. */
export function pixelFrames(latents: number, stride: number): number {
  return 1 + (latents - 1) * stride;
}

/** The block whose latents a pixel frame is decoded from. */
export function blockOfFrame(ranges: readonly BlockRange[], frame: number, stride: number): BlockRange {
  const latent = Math.ceil(frame / stride);
  const found = ranges.find(({ start, frames }) => latent >= start && latent < start + frames);
  if (found) return found;
  throw new RangeError(`frame ${frame} lies outside of the clip's ${ranges.length} blocks`);
}

/**
 * Rollouts that end before the exit step of each block with gradient. A block's past is always generated without
 * gradient, by the student itself, from the same noise. Release them with `releaseRollouts`.
 */
export async function supervisedRollouts<Cache>(
  student: CausalStudent<Cache>,
  noise: Tensor,
  blocks: readonly BlockRange[],
  options: SelfRolloutOptions,
): Promise<SelfRollout<Cache>[]> {
  const rollouts: SelfRollout<Cache>[] = [];
  try {
    for (const { index, start, frames } of blocks) {
      const until = sliceFrames(noise, { start: 0, frames: start + frames });
      const exitStep = typeof options.exitStep === 'number' ? options.exitStep : options.exitStep.slice(0, index + 1);
      rollouts.push(await selfRollout(student, until, { ...options, exitStep }));
      until.dispose();
    }
    return rollouts;
  } catch (error) {
    releaseRollouts(rollouts);
    throw error;
  }
}

/** Release what rollouts hold. */
export function releaseRollouts<Cache>(rollouts: readonly SelfRollout<Cache>[]): void {
  for (const rollout of rollouts) rollout.release();
}

/**
 * Latents `[B, F', H, W, C]` up to the last block with gradient: that block and the other supervised ones through their
 * exit step, everything else constant. Call it inside the loss.
 */
export function supervisedLatents<Cache>(
  student: CausalStudent<Cache>,
  rollouts: readonly SelfRollout<Cache>[],
  blocks: readonly BlockRange[],
): Tensor {
  const constants = rollouts.at(-1)?.blocks ?? [];
  const parts: Tensor[] = [...constants];
  for (const [i, { index }] of blocks.entries()) parts[index] = lastBlock(student, rollouts[i] as SelfRollout<Cache>);
  return tf.concat(parts, 1); // blocks [B, f, H, W, C] → [B, F', H, W, C]
}
