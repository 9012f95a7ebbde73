export { diagnose } from './diagnose.ts';
export {
  type ClipEvidence,
  type ClipEvidenceOptions,
  clipEvidence,
  evidenceOfLog,
  type HackingSignals,
  type LogEvidence,
  type LogLine,
  logEvidence,
  type RewardHistory,
  type RunEvidence,
} from './evidence.ts';
export { hackingAlarms, hackingSignals } from './hacking.ts';
export type { Diagnosis } from './judged.ts';
export {
  type ColourMoments,
  colourDistance,
  colourMoments,
  highFrequencyShare,
  meanChroma,
  type Picture,
  saturatedShare,
} from './picture.ts';
export { gradientNorm, promptMargin, type RewardCurve, rewardCurve, robustnessGap, scoreFrames } from './reward.ts';
export { type Spread, type Style, styleOf } from './style.ts';
