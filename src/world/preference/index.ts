export { type PreferenceConfig, preferenceArchitecture, preferenceConfig } from './config.ts';
export {
  drawPairs,
  type PairSide,
  type PreferenceBatch,
  type PreferencePair,
  type PreferenceTask,
  type ShownPicture,
} from './data.ts';
export type { Attributes } from './model.ts';
export {
  type PreferenceReport,
  type PreferenceRewardOptions,
  preferenceJudges,
  preferenceReward,
  type ValidateOptions,
  validatePreferences,
} from './reward.ts';
export {
  type PreferenceLoss,
  type PreferenceOptions,
  type PreferenceStep,
  trainPreference,
} from './train.ts';
