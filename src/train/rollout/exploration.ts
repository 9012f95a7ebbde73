/** Groups of clips of one prompt with their scores: what training learns from where a reward has no gradient. */
import { type Tensor, tf } from '../../engine/tf.ts';
import type { VaeConfig } from '../../model/internal.ts';
import { type Key, type Net, toTensor } from '../../nn/index.ts';
import { toUnit } from '../../nn/internal.ts';
import type { Judge } from '../../reward/index.ts';
import { type BoundStudent, causalStudent, rollout, seededNoise, velocityToX0 } from '../../sampler/index.ts';
import { type BlockNoise, type BlockRange, blockRanges, type SelfRollout } from '../../sampler/internal.ts';
import { checkFunction, checkMethods, checkNet } from '../checks.ts';
import { deviation, groupsOf } from '../losses/policy.ts';
import type { TrainStep } from '../run/stage.ts';
import { pixelsOf } from './reward-loss.ts';
import { type RolloutIngredients, settleGeneration } from './supervised-rollout.ts';

/** What groups of scored clips are made from. */
export interface ExplorationOptions extends Omit<RolloutIngredients, 'batch' | 'exitSteps'> {
  /** Turns latents into the pixels that the judge sees. */
  decoder: Net<VaeConfig>;
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

/** {@link ExplorationOptions}, settled. */
export type ExplorationSettings = Required<ExplorationOptions>;

/** Options with their defaults, checked. */
export function settleExploration(options: ExplorationOptions): ExplorationSettings {
  const { samples = 4, sharedStart = true, rewardPrompts = (prompts) => prompts } = options;
  const generation = settleGeneration(options);
  if (!Number.isInteger(samples) || samples < 2) {
    throw new RangeError(`samples: wanted 2 clips of each prompt or more, to compare them; received ${samples}`);
  }
  if (generation.schedule.timesteps.length < 2) {
    throw new RangeError(
      'schedule: received one denoising step; wanted two or more, since all but the last are what is learnt from',
    );
  }
  checkFunction('rewardPrompts', rewardPrompts, '(prompts) => prompts for the reward');
  return {
    ...generation,
    decoder: checkNet('decoder', options.decoder),
    judge: checkMethods('judge', options.judge, ['score'], 'a judge { info, score(video, prompts, key) }'),
    samples,
    sharedStart: Boolean(sharedStart),
    rewardPrompts,
  };
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
export interface Explored {
  student: BoundStudent;
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
export async function withExploration<R>(
  settings: ExplorationSettings,
  key: Key,
  kept: number,
  work: (explored: Explored) => Promise<R>,
): Promise<R> {
  const { batch, samples, latentShape } = settings;
  const drawn = await settings.prompts(key.stream('prompts'), batch);
  const prompts = drawn.flatMap((prompt) => Array<string>(samples).fill(prompt));
  const context = await settings.text.encode(prompts);
  const student = causalStudent(settings.student, context);
  const noise = startNoise(settings, key.stream('noise'));
  const renoise = seededNoise(key.stream('renoise'));
  const made: Pick<Explored, 'latents' | 'transitions'> = { latents: [], transitions: [] };
  try {
    const blocks = blockRanges(latentShape[0], student.blocks);
    await roll({ student, noise, renoise }, settings.schedule, kept, made);
    const scores = await scoresOf(settings, made.latents, prompts, key.stream('frame'));
    return await work({ student, prompts, context, blocks, scores, ...made });
  } finally {
    student.dispose();
    tf.dispose([context, noise, ...made.latents, ...made.transitions.flatMap(({ x, x0, next }) => [x, x0, next])]);
  }
}

/** Initial noise `[B, F, H, W, C]`, by default the same for the clips of a prompt. */
function startNoise({ batch, samples, latentShape, sharedStart }: ExplorationSettings, key: Key): Tensor {
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
async function roll(
  { student, noise, renoise }: { student: BoundStudent; noise: Tensor; renoise: BlockNoise },
  schedule: ExplorationSettings['schedule'],
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

async function scoresOf(
  { decoder, judge, rewardPrompts }: ExplorationSettings,
  latents: readonly Tensor[],
  prompts: readonly string[],
  key: Key,
): Promise<number[]> {
  const video = tf.tidy(() => {
    const decoded = pixelsOf(decoder, tf.concat([...latents], 1), 0); // [B, T, H, W, 3] in [-1, 1]
    return tf.clipByValue(toUnit(decoded), 0, 1);
  });
  try {
    const scores = await judge.score(video, rewardPrompts(prompts), key);
    if (scores.length === prompts.length && scores.every(Number.isFinite)) return scores;
    throw new Error(`${judge.info.id} gave the scores ${scores.join(', ')}; wanted ${prompts.length} finite numbers`);
  } finally {
    video.dispose();
  }
}

/** A step of training on scored clips. */
export interface ScoredStep extends TrainStep {
  /** Mean over all clips. */
  reward: number;
  /** Deviation within a prompt. */
  rewardStd: number;
  /** Best of each prompt. */
  rewardBest: number;
  /** Index of the denoising step that was supervised. */
  denoisingStep: number;
}

/** Mean, deviation within a prompt, and mean best of the scores of groups of `samples`. */
export function scoreValues(
  scores: readonly number[],
  samples: number,
): Record<'reward' | 'rewardStd' | 'rewardBest', number> {
  const groups = groupsOf(scores, samples);
  const mean = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0) / values.length;
  return {
    reward: mean(scores),
    rewardStd: mean(groups.map(deviation)),
    rewardBest: mean(groups.map((group) => Math.max(...group))),
  };
}

/** A student's input at one block, with its memory of the blocks before. */
export type BlockState = Pick<SelfRollout, 'cache' | 'x' | 't' | 'sigma'>;

/** Noise level and timestep of a denoising step. */
export interface Level {
  t: number;
  sigma: number;
}

/**
 * A state for each block, whose memory holds the clean `latents` of the blocks before: the same past that a rollout
 * with clean context had. `inputs` `[B, f, H, W, C]` stay the caller's; release the memories with `releaseStates`.
 */
export function blockStates(
  student: BoundStudent,
  { blocks, latents }: Pick<Explored, 'blocks' | 'latents'>,
  inputs: readonly Tensor[],
  level: Level,
): BlockState[] {
  return blocks.map(({ index }, i) => {
    let cache = student.emptyCache(latents[0]!);
    for (const past of latents.slice(0, index)) cache = student.remember(past, 0, cache);
    return { cache, x: inputs[i]!, ...level };
  });
}

/** The student's clean estimate `[B, f, H, W, C]` at a state, with gradient. */
export function estimateAt(student: BoundStudent, { x, t, sigma, cache }: BlockState): Tensor {
  return tf.tidy(() => velocityToX0(x, student.velocity(x, t, cache, { gradient: true }), sigma));
}

/** Release the memories of states. */
export function releaseStates(student: BoundStudent, states: readonly BlockState[]): void {
  for (const { cache } of states) student.release(cache);
}
