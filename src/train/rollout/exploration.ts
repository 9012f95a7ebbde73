/** Groups of clips of one prompt with their scores: what training learns from where a reward has no gradient. */
import { type Tensor, tf } from '../../engine/tf.ts';
import type { VaeConfig, WanConfig } from '../../model/internal.ts';
import { type Key, type Net, toTensor, toUnit } from '../../nn/index.ts';
import type { Judge } from '../../reward/index.ts';
import { meanAndStd } from '../../reward/internal.ts';
import { type BlockStep, causalStudent, rollout, seededNoise } from '../../sampler/index.ts';
import { type BlockRange, blockRanges, lastBlock } from '../../sampler/internal.ts';
import { checkFunction, checkMethods, checkNet } from '../ingredients.ts';
import { groupsOf } from '../losses.ts';
import type { TrainStep } from '../run/stage.ts';
import { pixelsOf } from './reward-loss.ts';
import { type RolloutIngredients, settleGeneration } from './supervised-rollout.ts';

export interface ExplorationOptions extends Omit<RolloutIngredients, 'batch' | 'exitSteps'> {
  /** Turns latents into the pixels that the judge sees. */
  decoder: Net<VaeConfig>;
  /** Scores the clips; a frame reward sees their last frames, unless `frameSelect` shows it others. */
  judge: Judge;
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

type ExplorationSettings = Required<ExplorationOptions>;

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

export interface Explored {
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

/** Generates and scores clips and hands them, with the transitions of denoising step `kept`, to `work`; released afterwards. */
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
  const made: { latents: Tensor[]; transitions: Transition[] } = { latents: [], transitions: [] };
  try {
    const blocks = blockRanges(latentShape[0], student.blocks);
    const onStep = ({ index, x, x0, next }: BlockStep): void => {
      if (index === kept) made.transitions.push({ x: tf.clone(x), x0: tf.clone(x0), next: tf.clone(next) });
    };
    const rolled = rollout(student, noise, { schedule: settings.schedule, renoise, onStep });
    for await (const { x0 } of rolled) made.latents.push(x0);
    const scores = await scoresOf(settings, made.latents, prompts, key.stream('frame'));
    return await work({ context, blocks, scores, ...made });
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
  const mean = (values: readonly number[]): number => meanAndStd(values).mean;
  return {
    reward: mean(scores),
    rewardStd: mean(groups.map((group) => meanAndStd(group).std)),
    rewardBest: mean(groups.map((group) => Math.max(...group))),
  };
}

/** Noise level and timestep of a denoising step, and the noise level after it. */
export interface Level {
  t: number;
  sigma: number;
  next: number;
}

/**
 * Runs `work` on the student's clean estimates `[B, f, H, W, C]`, with gradient, at `inputs` `[B, f, H, W, C]` of each
 * block, whose memory holds the clean `latents` of the blocks before: the same past that a rollout with clean context had.
 */
export async function withStates<R>(
  net: Net<WanConfig>,
  { context, blocks, latents }: Pick<Explored, 'context' | 'blocks' | 'latents'>,
  inputs: readonly Tensor[],
  { t, sigma }: Level,
  work: (estimates: readonly (() => Tensor)[]) => Promise<R>,
): Promise<R> {
  const student = causalStudent(net, context);
  const caches = blocks.map(({ index }) => {
    const past = latents.slice(0, index);
    return past.reduce((cache, block) => student.remember(block, 0, cache), student.emptyCache(latents[0]!));
  });
  try {
    return await work(caches.map((cache, i) => () => lastBlock(student, { cache, x: inputs[i]!, t, sigma })));
  } finally {
    for (const cache of caches) student.release(cache);
    student.dispose();
  }
}
