import { type Clip, clipFrame } from '../../io/index.ts';
import type { Reward } from '../../reward/index.ts';
import { mean } from '../statistics/mean.ts';
import { clipDynamicDegree } from '../vbench/dynamic-degree.ts';
import { diagnose } from './diagnose.ts';
import type { HackingSignals } from './evidence.ts';
import { highFrequencyShare, meanChroma, type Picture, saturatedShare } from './picture.ts';
import { gradientNorm, promptMargin, rewardCurve, robustnessGap, scoreFrames } from './reward.ts';

/**
 * Measures all signals on clips of different prompts, of any size; `show.hacking` draws those of several checkpoints.
 *
 * @throws TypeError for a reward of clips: `frameSelect` has no place here, as single frames are looked at.
 */
export async function hackingSignals(
  clips: readonly Clip[],
  prompts: readonly string[],
  reward: Reward,
  heldOut: Reward | null = null,
): Promise<HackingSignals> {
  for (const { info } of [reward, ...(heldOut ? [heldOut] : [])]) {
    if (info.kind === 'clip') throw new TypeError(`hackingSignals looks at frames; ${info.id} judges whole clips`);
  }
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
 * What went wrong since the baseline (the checkpoint before reward training), as sentences: the alarms of `diagnose` on
 * these signals alone; empty when nothing did. Rewards are expected at unit scale, as every reward of this library is.
 */
export function hackingAlarms(now: HackingSignals, baseline: HackingSignals): string[] {
  const alarms = diagnose({ hacking: now }, { hacking: baseline }).filter(({ state }) => state === 'alarm');
  return alarms.map(({ symptom, reason }) => `${symptom} (${reason})`);
}
