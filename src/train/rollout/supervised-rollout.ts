import { type Tensor, tf } from '../../engine/tf.ts';
import { type Key, toTensor, type Weights } from '../../nn/index.ts';
import {
  type BlockRange,
  blockRanges,
  type CausalStudent,
  drawExitSteps,
  lastBlock,
  type Schedule,
  type SelfRollout,
  type SelfRolloutOptions,
  seededNoise,
  selfRollout,
  sliceFrames,
} from '../../sampler/index.ts';
import type { EncodeText, Source } from '../ingredients.ts';

/** A causal student that is released after the rollouts of one step. */
export type BoundStudent<Cache> = CausalStudent<Cache> & { dispose(): void };

/** What the rollouts of a training step are made from. */
export interface RolloutIngredients<Cache> {
  student: {
    weights: Weights;
    /** The student for the prompts of one batch, for instance `wanStudent(weights, config, context)`. */
    bind(context: Tensor): BoundStudent<Cache>;
  };
  prompts: Source<readonly string[]>;
  encodeText: EncodeText;
  /** Clips per step. */
  batch: number;
  /** `[F, H, W, C]` of a clip's latents. */
  latentShape: readonly [frames: number, height: number, width: number, channels: number];
  /** The student's denoising steps, see `denoisingSteps`. */
  schedule: Schedule;
  /** At which step blocks stop: one drawn for all, always the last, one drawn for each. @defaultValue 'shared' */
  exitSteps?: 'shared' | 'last' | 'per-block';
}

/** One batch, rolled out up to the exit steps of its supervised blocks. */
export interface Rolled<Cache> {
  student: BoundStudent<Cache>;
  prompts: readonly string[];
  rollouts: readonly SelfRollout<Cache>[];
  /** Blocks whose exit step carries gradient, rising; no later block is generated. */
  blocks: readonly BlockRange[];
  /** Exit step of the last of them. */
  exitStep: number;
}

/**
 * Roll a batch out with the randomness of `key` and hand it to `work`; everything is released afterwards. `supervised`
 * chooses the blocks with gradient among all blocks.
 */
export async function withRollouts<Cache, R>(
  ingredients: RolloutIngredients<Cache>,
  key: Key,
  supervised: (ranges: readonly BlockRange[]) => readonly BlockRange[],
  work: (rolled: Rolled<Cache>) => Promise<R>,
): Promise<R> {
  const { batch, latentShape, schedule, exitSteps = 'shared' } = ingredients;
  const prompts = await ingredients.prompts(key.stream('prompts'), batch);
  const context = ingredients.encodeText(prompts);
  const student = ingredients.student.bind(context);
  const noise = toTensor(key.stream('noise').normal([batch, ...latentShape]));
  let rollouts: SelfRollout<Cache>[] = [];
  try {
    const ranges = blockRanges(latentShape[0], student.blocks);
    const blocks = supervised(ranges);
    const counts = { steps: schedule.timesteps.length, blocks: ranges.length, mode: exitSteps };
    const exitStep = drawExitSteps(key.stream('exit'), counts);
    const renoise = seededNoise(key.stream('renoise'));
    rollouts = await supervisedRollouts(student, noise, blocks, { schedule, renoise, exitStep });
    return await work({ student, prompts, rollouts, blocks, exitStep: exitStep[blocks.at(-1)?.index ?? 0] ?? 0 });
  } finally {
    releaseRollouts(rollouts);
    student.dispose();
    tf.dispose([context, noise]);
  }
}

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
export function supervisedLatents<Cache>({
  student,
  rollouts,
  blocks,
}: Pick<Rolled<Cache>, 'student' | 'rollouts' | 'blocks'>): Tensor {
  const constants = rollouts.at(-1)?.blocks ?? [];
  const parts: Tensor[] = [...constants];
  for (const [i, { index }] of blocks.entries()) parts[index] = lastBlock(student, rollouts[i] as SelfRollout<Cache>);
  return tf.concat(parts, 1); // blocks [B, f, H, W, C] → [B, F', H, W, C]
}
