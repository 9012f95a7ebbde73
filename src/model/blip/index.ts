export { blipImageTokens, blipTextStates, imageReward, imageRewardForward } from './forward.ts';
export {
  type BlipVitConfig,
  type ImageRewardConfig,
  imageRewardName,
  imageRewardPresets,
  imageRewardShapes,
  type MedConfig,
} from './weights.ts';
