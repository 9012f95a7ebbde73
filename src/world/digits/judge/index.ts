export {
  ATTRIBUTES,
  SECOND_JUDGE,
  SMALL_REWARD,
  type SmallRewardConfig,
  smallRewardShapes,
} from './config.ts';
export { attributeLogits, encodeFrames, scoreCaptions, smallRewardForward } from './model.ts';
export { captionTokens, type SmallRewardOptions, smallReward, smallRewardNet } from './reward.ts';
