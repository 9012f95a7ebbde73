export { type HackingSignals, hackingAlarms, hackingSignals } from './hacking.ts';
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
