/** Rollouts of the causal student in which chosen blocks carry gradient through their exit step. */
import { type Tensor, tf } from '../../engine/tf.ts';
import type { WanConfig } from '../../model/internal.ts';
import { type Key, type Net, toTensor } from '../../nn/index.ts';
import { type BoundStudent, causalStudent, type Schedule, seededNoise } from '../../sampler/index.ts';
import {
  type BlockRange,
  blockRanges,
  blocksOf,
  drawExitSteps,
  lastBlock,
  type SelfRollout,
  type SelfRolloutOptions,
  selfRollout,
  sliceFrames,
} from '../../sampler/internal.ts';
import {
  checkBatch,
  checkChoice,
  checkEncoder,
  checkLatentShape,
  checkNet,
  checkSource,
  checkSteps,
  type Source,
  type TextEncoder,
} from '../ingredients.ts';

export interface RolloutIngredients {
  /** The causal student; its configuration says how frames fall into blocks. */
  student: Net<WanConfig>;
  prompts: Source<readonly string[]>;
  text: TextEncoder;
  /** Clips per step. */
  batch: number;
  /** `[F, H, W, C]` of a clip's latents. */
  latentShape: readonly [frames: number, height: number, width: number, channels: number];
  /** The student's denoising steps, see `denoisingSteps`. */
  schedule: Schedule;
  /** At which step blocks stop: one drawn for all, always the last, one drawn for each. @defaultValue 'shared' */
  exitSteps?: 'shared' | 'last' | 'per-block';
}

/** Ingredients with their defaults, checked. */
export function settleRollouts(given: RolloutIngredients): Required<RolloutIngredients> {
  return {
    ...settleGeneration(given),
    exitSteps: checkChoice('exitSteps', given.exitSteps ?? 'shared', ['shared', 'last', 'per-block']),
  };
}

/** What every stage that generates clips is checked for. */
export function settleGeneration(given: Omit<RolloutIngredients, 'exitSteps'>): Omit<RolloutIngredients, 'exitSteps'> {
  const settled = {
    student: checkNet('student', given.student),
    prompts: checkSource('prompts', given.prompts),
    text: checkEncoder(given.text),
    batch: checkBatch(given.batch),
    latentShape: checkLatentShape('latentShape', given.latentShape),
    schedule: checkSteps('schedule', given.schedule),
  };
  blockRanges(given.latentShape[0], blocksOf(given.student.config));
  return settled;
}

/** One batch, rolled out up to the exit steps of its supervised blocks. */
export interface Rolled {
  student: BoundStudent;
  prompts: readonly string[];
  /** Text states of the prompts. */
  context: Tensor;
  rollouts: readonly SelfRollout[];
  /** Blocks whose exit step carries gradient, rising; no later block is generated. */
  blocks: readonly BlockRange[];
  /** Exit step of the last of them. */
  exitStep: number;
}

/** Rolls a batch out and hands it to `work`; all is released afterwards. `supervised` chooses the blocks with gradient, by default all. */
export async function withRollouts<R>(
  ingredients: Required<RolloutIngredients>,
  key: Key,
  work: (rolled: Rolled) => Promise<R>,
  supervised: (ranges: readonly BlockRange[]) => readonly BlockRange[] = (ranges) => ranges,
): Promise<R> {
  const { batch, latentShape, schedule, exitSteps } = ingredients;
  const prompts = await ingredients.prompts(key.stream('prompts'), batch);
  const context = await ingredients.text.encode(prompts);
  const student = causalStudent(ingredients.student, context);
  const noise = toTensor(key.stream('noise').normal([batch, ...latentShape]));
  let rollouts: SelfRollout[] = [];
  try {
    const ranges = blockRanges(latentShape[0], student.blocks);
    const blocks = supervised(ranges);
    const counts = { steps: schedule.timesteps.length, blocks: ranges.length, mode: exitSteps };
    const exitStep = drawExitSteps(key.stream('exit'), counts);
    const renoise = seededNoise(key.stream('renoise'));
    rollouts = await supervisedRollouts(student, noise, blocks, { schedule, renoise, exitStep });
    return await work({
      student,
      prompts,
      context,
      rollouts,
      blocks,
      exitStep: exitStep[blocks.at(-1)?.index ?? 0] ?? 0,
    });
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
export async function supervisedRollouts(
  student: BoundStudent,
  noise: Tensor,
  blocks: readonly BlockRange[],
  options: SelfRolloutOptions,
): Promise<SelfRollout[]> {
  const rollouts: SelfRollout[] = [];
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

export function releaseRollouts(rollouts: readonly SelfRollout[]): void {
  for (const rollout of rollouts) rollout.release();
}

/** What the loss is made of: blocks that carry gradient, and everything up to the last of them. */
export interface Supervised {
  /** Latents `[B, F', H, W, C]`: the supervised blocks through their exit steps, everything else constant. */
  latents: Tensor;
  /** The supervised blocks `[B, f, H, W, C]`. */
  estimates: readonly Tensor[];
}

/** Runs the exit steps of the supervised blocks. Call it inside the loss. */
export function supervise({ student, rollouts, blocks }: Pick<Rolled, 'student' | 'rollouts' | 'blocks'>): Supervised {
  const parts: Tensor[] = [...(rollouts.at(-1)?.blocks ?? [])];
  const estimates = rollouts.map((rollout) => lastBlock(student, rollout));
  for (const [i, { index }] of blocks.entries()) parts[index] = estimates[i]!;
  return { latents: tf.concat(parts, 1), estimates }; // blocks [B, f, H, W, C] → [B, F', H, W, C]
}

/** The latents of `supervise` alone. */
export function supervisedLatents(rolled: Pick<Rolled, 'student' | 'rollouts' | 'blocks'>): Tensor {
  return supervise(rolled).latents;
}
