export type { Diagnosis } from './checks.ts';
export { diagnose, hackingAlarms } from './diagnose.ts';
export {
  type ClipEvidence,
  type ClipEvidenceOptions,
  clipEvidence,
  evidenceOfLog,
  type LogEvidence,
  type LogLine,
  logEvidence,
  type RewardHistory,
  type RunEvidence,
} from './evidence.ts';
export {
  type ColourMoments,
  colourDistance,
  colourMoments,
  highFrequencyShare,
  meanChroma,
  type Picture,
  type Spread,
  type Style,
  saturatedShare,
  styleOf,
} from './pictures.ts';
export {
  frameScores,
  gradientNorm,
  type HackingSignals,
  hackingSignals,
  meanScore,
  promptMargin,
  type RewardCurve,
  rewardCurve,
  robustnessGap,
  scoreClips,
} from './reward-signals.ts';
