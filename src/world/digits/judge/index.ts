export {
  ATTRIBUTES,
  initSmallReward,
  SECOND_JUDGE,
  SMALL_REWARD,
  type SmallRewardConfig,
  smallRewardShapes,
} from './config.ts';
export { attributeLogits, encodeFrames, scoreCaptions, smallRewardForward } from './model.ts';
export { captionTokens, type SmallRewardOptions, smallReward } from './reward.ts';
