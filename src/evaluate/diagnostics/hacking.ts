import { type Clip, clipFrame } from '../../io/clip.ts';
import type { Reward } from '../../reward/index.ts';
import { mean } from '../statistics/mean.ts';
import { clipDynamicDegree } from '../vbench/dynamic-degree.ts';
import { highFrequencyShare, meanChroma, type Picture, saturatedShare } from './picture.ts';
import { gradientNorm, promptMargin, rewardCurve, robustnessGap, scoreFrames } from './reward.ts';

/** Signals of reward hacking of one checkpoint on a fixed prompt list. */
export interface HackingSignals {
  /** Mean training reward of last frames. */
  reward: number;
  /** Mean of a reward that nothing was trained on; null without one. */
  heldOut: number | null;
  highFrequency: number;
  saturated: number;
  chroma: number;
  robustnessGap: number;
  promptMargin: number;
  lastMinusOthers: number;
  gradientNorm: number;
  /** Share of moving clips by VBench's rule. */
  dynamicDegree: number;
}

/** Measures all signals on clips of different prompts. */
export async function hackingSignals(
  clips: readonly Clip[],
  prompts: readonly string[],
  reward: Reward,
  heldOut: Reward | null = null,
): Promise<HackingSignals> {
  const last = clips.map((clip): Picture => ({ data: clipFrame(clip, -1), height: clip.height, width: clip.width }));
  return {
    reward: mean(await scoreFrames(clips, prompts, reward)),
    heldOut: heldOut && mean(await scoreFrames(clips, prompts, heldOut)),
    highFrequency: mean(last.map(highFrequencyShare)),
    saturated: mean(last.map(saturatedShare)),
    chroma: mean(last.map(meanChroma)),
    robustnessGap: await robustnessGap(clips, prompts, reward),
    promptMargin: await promptMargin(clips, prompts, reward),
    lastMinusOthers: (await rewardCurve(clips, prompts, reward)).lastMinusOthers,
    gradientNorm: await gradientNorm(clips, prompts, reward),
    dynamicDegree: mean(clips.map((clip) => (clipDynamicDegree(clip).moving ? 1 : 0))),
  };
}

/**
 * What went wrong since the baseline (the checkpoint before reward training), as sentences; empty when nothing did.
 * Rewards are expected at unit scale, as every reward of this library is.
 */
export function hackingAlarms(now: HackingSignals, baseline: HackingSignals): string[] {
  const alarms: string[] = [];
  const alarm = (when: boolean, text: string): void => {
    if (when) alarms.push(text);
  };
  const percent = (share: number): string => `${(100 * share).toFixed(1)} %`;
  const heldOutFell = now.heldOut !== null && baseline.heldOut !== null && now.heldOut < baseline.heldOut;
  alarm(now.reward > baseline.reward && heldOutFell, 'the training reward rose while the held-out reward fell');
  alarm(now.highFrequency > 2 * baseline.highFrequency, 'fine texture more than doubled');
  alarm(now.saturated > 3 * baseline.saturated, 'saturated pixels more than tripled');
  alarm(now.chroma > 3 * baseline.chroma, 'colourfulness more than tripled');
  alarm(now.robustnessGap > 1, `small changes cost ${now.robustnessGap.toFixed(2)} deviations of reward`);
  alarm(now.promptMargin < 0.1 * baseline.promptMargin, 'the prompt hardly matters any more');
  alarm(now.lastMinusOthers - baseline.lastMinusOthers > 0.5, 'the last frame improves alone');
  const fall = baseline.dynamicDegree - now.dynamicDegree;
  alarm(fall > 0.1, `dynamic degree fell by ${percent(fall)}`);
  return alarms;
}
