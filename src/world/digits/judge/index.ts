export {
  ATTRIBUTES,
  SECOND_JUDGE,
  SMALL_REWARD,
  type SmallRewardConfig,
  smallRewardShapes,
} from './config.ts';
export { attributeLoss, type PreferenceLoss, preferenceLoss, type ShownPictures } from './losses.ts';
export { attributeLogits, encodeFrames, scoreCaptions, smallRewardForward } from './model.ts';
export { motionReward } from './motion.ts';
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
export { captionTokens, type SmallRewardOptions, smallReward, smallRewardNet } from './reward.ts';
export { type PreferenceReport, type ValidateOptions, validatePreferences } from './validate.ts';
