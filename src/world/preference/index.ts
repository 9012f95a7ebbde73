export { type PreferenceConfig, preferenceArchitecture, preferenceConfig, preferenceShapes } from './config.ts';
export {
  captionTokens,
  drawPairs,
  drawPictures,
  type PairSide,
  type PreferenceBatch,
  type PreferencePair,
  type PreferenceTask,
  type ShownPicture,
} from './data.ts';
export { type Attributes, attributeLogits, encodeFrames, preferenceForward, scoreCaptions } from './model.ts';
export {
  type PreferenceReport,
  type PreferenceRewardOptions,
  preferenceJudges,
  preferenceReward,
  type ValidateOptions,
  validatePreferences,
} from './reward.ts';
export {
  attributeLoss,
  type PreferenceLoss,
  type PreferenceOptions,
  type PreferenceStep,
  preferenceLoss,
  trainPreference,
} from './train.ts';
