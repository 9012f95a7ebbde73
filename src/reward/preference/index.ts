export {
  PAIR_KINDS,
  PAIR_SHARES,
  type PairKind,
  type PairSide,
  type PreferenceBatch,
  type PreferencePair,
  preferenceBatch,
  preferencePair,
} from '../../world/digits/judge/pairs.ts';
export { type PreferenceReport, type ValidateOptions, validatePreferences } from '../../world/digits/judge/validate.ts';
export {
  accuracyByMargin,
  accuracyWithTies,
  type CalibrationBin,
  calibration,
  type JudgedPair,
  kendall,
  type MarginBucket,
  pairwiseAccuracy,
  spearman,
} from './agreement.ts';
export {
  attributeLoss,
  bradleyTerry,
  bradleyTerryTies,
  type PreferenceLoss,
  preferenceLoss,
  rankingLoss,
  type ShownPictures,
} from './losses.ts';
