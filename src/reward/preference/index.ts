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
  bradleyTerry,
  bradleyTerryTies,
  rankingLoss,
} from './losses.ts';
