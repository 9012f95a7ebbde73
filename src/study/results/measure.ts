/** What generated clips are worth: caption fidelity, motion, rewards; a row per prompt, an entry per seed. */
import { setImmediate } from 'node:timers/promises';
import type { Interval, Scores } from '../../evaluate/index.ts';
import * as evaluate from '../../evaluate/index.ts';
import { frameScores } from '../../evaluate/internal.ts';
import type { Clip } from '../../io/index.ts';
import type { Reward } from '../../reward/index.ts';
import { parseCaption } from '../../world/digits/index.ts';
import { type Classifier, captionFidelity } from '../../world/digits/measure/index.ts';

/** The judges of generated clips. */
export interface Judges {
  reward: Reward;
  /** Never trained on. */
  judge: Reward;
  classifier: Classifier;
}

/** Measures by name, each with its scores [prompt][seed]. */
export type Measures = Readonly<Record<MeasureName, Scores>>;

export const MEASURES = [
  'digit',
  'colour',
  'direction',
  'speed',
  'dynamicDegree',
  'pxPerFrame',
  'flicker',
  'reward',
  'judge',
  'rewardAllFrames',
] as const;
export type MeasureName = (typeof MEASURES)[number];

/** Measures clips of prompts: `clips[seed][prompt]`. Shares are 0 or 1 a clip; `onClip` is called after each clip. */
export async function measure(
  clips: readonly (readonly Clip[])[],
  prompts: readonly string[],
  judges: Judges,
  onClip: () => void = () => undefined,
): Promise<Measures> {
  const perSeed: Record<MeasureName, number[]>[] = [];
  for (const some of clips) perSeed.push(await measureOnce(some, prompts, judges, onClip));
  const scores = (name: MeasureName): Scores => prompts.map((_, i) => perSeed.map((seed) => seed[name][i]!));
  return Object.fromEntries(MEASURES.map((name) => [name, scores(name)])) as unknown as Measures;
}

async function measureOnce(
  clips: readonly Clip[],
  prompts: readonly string[],
  { reward, judge, classifier }: Judges,
  onClip: () => void,
): Promise<Record<MeasureName, number[]>> {
  const fidelity = await captionFidelity(clips, prompts.map(parseCaption), classifier);
  const right = (name: 'digit' | 'colour' | 'direction' | 'speed'): number[] =>
    fidelity.clips.map((clip) => Number(clip.right[name]));
  return {
    digit: right('digit'),
    colour: right('colour'),
    direction: right('direction'),
    speed: right('speed'),
    dynamicDegree: await dynamicDegrees(clips, onClip),
    pxPerFrame: fidelity.clips.map(({ seen }) => seen.pxPerFrame),
    flicker: clips.map(evaluate.flicker),
    reward: await scoreFrames(reward, clips, prompts, [-1]),
    judge: await scoreFrames(judge, clips, prompts, [-1]),
    rewardAllFrames: await scoreFrames(reward, clips, prompts, allFrames(clips)),
  };
}

/** Optical flow takes a fifth of a second a clip, so signals and interrupts are let in between. */
async function dynamicDegrees(clips: readonly Clip[], onClip: () => void): Promise<number[]> {
  const degrees: number[] = [];
  for (const clip of clips) {
    degrees.push(Number(evaluate.clipDynamicDegree(clip).moving));
    onClip();
    await setImmediate();
  }
  return degrees;
}

function allFrames(clips: readonly Clip[]): number[] {
  return Array.from({ length: clips[0]?.frames ?? 0 }, (_, i) => i);
}

/** Mean score of chosen frames for each clip. */
export async function scoreFrames(
  reward: Reward,
  clips: readonly Clip[],
  prompts: readonly string[],
  frames: readonly number[],
): Promise<number[]> {
  if (clips.length === 0) throw new RangeError('no clips to score: give one for each prompt');
  const totals = new Array<number>(clips.length).fill(0);
  for (const frame of frames) {
    const scores = await frameScores(clips, prompts, reward, frame);
    for (const [i, value] of scores.entries()) totals[i]! += value / frames.length;
  }
  return totals;
}

/** Estimate and 95% interval of every measure, resampling prompts. */
export function summarise(measures: Measures, seed: number): Record<MeasureName, Interval> {
  const entries = MEASURES.map((name) => [name, evaluate.bootstrap(measures[name], { seed })] as const);
  return Object.fromEntries(entries) as Record<MeasureName, Interval>;
}
