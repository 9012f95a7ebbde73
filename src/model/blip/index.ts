export { imageReward, imageRewardForward } from './forward.ts';
export {
  type ImageRewardConfig,
  imageRewardPresets,
  imageRewardShapes,
} from './weights.ts';
