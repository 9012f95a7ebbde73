/** Groups of clips of one prompt with their scores: what training learns from where a reward has no gradient. */
import { type Tensor, tf } from '../../engine/tf.ts';
import { type Key, toTensor } from '../../nn/index.ts';
import type { Judge } from '../../reward/index.ts';
import { type BlockNoise, type BlockRange, blockRanges, rollout, seededNoise } from '../../sampler/index.ts';
import type { Json } from '../run/run-folder.ts';
import type { Decoder } from './reward-loss.ts';
import type { BoundStudent, RolloutIngredients } from './supervised-rollout.ts';

/** What groups of scored clips are made from. */
export interface ExplorationOptions<Cache> extends Omit<RolloutIngredients<Cache>, 'batch' | 'exitSteps'> {
  decoder: Decoder;
  /** Scores the clips; a frame reward sees their last frames, unless `frameSelect` shows it others. */
  judge: Judge;
  /** Prompts per step. */
  batch: number;
  /** Clips per prompt. @defaultValue 4 */
  samples?: number;
  /**
   * Whether the clips of a prompt start from one noise and differ by their re-noising alone, so that their scores tell
   * which continuation of the same start was better. @defaultValue true
   */
  sharedStart?: boolean;
  /** Shorter form of the prompts for the reward. @defaultValue the same prompts */
  rewardPrompts?: (prompts: readonly string[]) => readonly string[];
}

/** One denoising step of a block, as it was taken. */
export interface Transition {
  /** `[B, f, H, W, C]` before the step. */
  x: Tensor;
  /** The student's clean estimate. */
  x0: Tensor;
  /** After the step: the estimate, re-noised. */
  next: Tensor;
}

/** Clips of one training step, those of a prompt next to each other. */
export interface Explored<Cache> {
  student: BoundStudent<Cache>;
  /** Of each clip. */
  prompts: readonly string[];
  /** Text states `[B, L, D]` of each clip. */
  context: Tensor;
  blocks: readonly BlockRange[];
  /** Clean latents `[B, f, H, W, C]` of each block. */
  latents: readonly Tensor[];
  /** The step of each block that was asked for. */
  transitions: readonly Transition[];
  /** Of each clip. */
  scores: readonly number[];
}

/**
 * Generates and scores clips with the randomness of `key`, and hands them to `work`; everything is released afterwards.
 *
 * @param kept - index of the denoising step whose transitions are kept
 * @throws Error when a score is not finite.
 */
export async function withExploration<Cache, R>(
  options: ExplorationOptions<Cache>,
  key: Key,
  kept: number,
  work: (explored: Explored<Cache>) => Promise<R>,
): Promise<R> {
  const { batch, samples = 4, latentShape } = options;
  const drawn = await options.prompts(key.stream('prompts'), batch);
  const prompts = drawn.flatMap((prompt) => Array<string>(samples).fill(prompt));
  const context = options.encodeText(prompts);
  const student = options.student.bind(context);
  const noise = startNoise(options, key.stream('noise'));
  const renoise = seededNoise(key.stream('renoise'));
  const made: Pick<Explored<Cache>, 'latents' | 'transitions'> = { latents: [], transitions: [] };
  try {
    const blocks = blockRanges(latentShape[0], student.blocks);
    await roll({ student, noise, renoise }, options.schedule, kept, made);
    const scores = await scoresOf(options, made.latents, prompts, key.stream('frame'));
    return await work({ student, prompts, context, blocks, scores, ...made });
  } finally {
    student.dispose();
    tf.dispose([context, noise, ...made.latents, ...made.transitions.flatMap(({ x, x0, next }) => [x, x0, next])]);
  }
}

/** Initial noise `[B, F, H, W, C]`, by default the same for the clips of a prompt. */
function startNoise<Cache>(
  { batch, samples = 4, latentShape, sharedStart = true }: ExplorationOptions<Cache>,
  key: Key,
): Tensor {
  if (!sharedStart) return toTensor(key.normal([batch * samples, ...latentShape]));
  const starts = toTensor(key.normal([batch, ...latentShape]));
  const rows = tf.tensor1d(
    Array.from({ length: batch * samples }, (_, i) => Math.floor(i / samples)),
    'int32',
  );
  const noise = tf.gather(starts, rows);
  tf.dispose([starts, rows]);
  return noise;
}

/** Fills `made` as the rollout goes, so that what it holds can be released whenever it fails. */
async function roll<Cache>(
  { student, noise, renoise }: { student: BoundStudent<Cache>; noise: Tensor; renoise: BlockNoise },
  schedule: ExplorationOptions<Cache>['schedule'],
  kept: number,
  made: { latents: readonly Tensor[]; transitions: readonly Transition[] },
): Promise<void> {
  const [latents, transitions] = [made.latents as Tensor[], made.transitions as Transition[]];
  const blocks = rollout(student, noise, {
    ...{ schedule, renoise },
    onStep: ({ index, x, x0, next }) => {
      if (index === kept) transitions.push({ x: tf.clone(x), x0: tf.clone(x0), next: tf.clone(next) });
    },
  });
  for await (const { x0 } of blocks) latents.push(x0);
}

async function scoresOf<Cache>(
  { decoder, judge, rewardPrompts = (prompts) => prompts }: ExplorationOptions<Cache>,
  latents: readonly Tensor[],
  prompts: readonly string[],
  key: Key,
): Promise<number[]> {
  const video = tf.tidy(() => {
    const decoded = decoder.decode(tf.concat([...latents], 1), 0); // [B, T, H, W, 3] in [-1, 1]
    return tf.clipByValue(tf.add(tf.mul(decoded, 0.5), 0.5), 0, 1);
  });
  try {
    const scores = await judge.score(video, rewardPrompts(prompts), key);
    if (scores.length === prompts.length && scores.every(Number.isFinite)) return scores;
    throw new Error(`${judge.info.id} gave the scores ${scores.join(', ')}; wanted ${prompts.length} finite numbers`);
  } finally {
    video.dispose();
  }
}

/** Mean, deviation within a prompt, and mean best of the scores of groups of `samples`. */
export function scoreValues(scores: readonly number[], samples: number): Record<string, number> {
  const groups = groupsOf(scores, samples);
  const mean = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0) / values.length;
  return {
    reward: mean(scores),
    rewardStd: mean(groups.map(deviation)),
    rewardBest: mean(groups.map((group) => Math.max(...group))),
  };
}

/** Neighbours by `size`. */
export function groupsOf<T>(all: readonly T[], size: number): T[][] {
  return Array.from({ length: all.length / size }, (_, i) => all.slice(i * size, (i + 1) * size));
}

/** Population standard deviation. */
export function deviation(values: readonly number[]): number {
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  return Math.sqrt(values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / values.length);
}

/** The settings that decide what is explored, for a run's configuration. */
export function explorationConfig<Cache>(options: ExplorationOptions<Cache>): { [key: string]: Json } {
  const { batch, samples = 4, sharedStart = true, latentShape, schedule, judge } = options;
  if (!Number.isInteger(samples) || samples < 2) {
    throw new RangeError(`samples: wanted 2 clips of each prompt or more, to compare them; received ${samples}`);
  }
  if (schedule.timesteps.length < 2) {
    throw new RangeError(
      'schedule: received one denoising step; want two or more, since all but the last are what is learnt from',
    );
  }
  return {
    batch,
    samples,
    sharedStart,
    latentShape: [...latentShape],
    sigmas: [...schedule.sigmas],
    reward: judge.info.id,
  };
}
