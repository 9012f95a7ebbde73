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
export {
  PAIR_KINDS,
  PAIR_SHARES,
  type PairKind,
  type PairSide,
  type PreferenceBatch,
  type PreferencePair,
  preferenceBatch,
  preferencePair,
} from './pairs.ts';
export { type PreferenceReport, type ValidateOptions, validatePreferences } from './validate.ts';
