export { blipImageTokens, blipTextStates, imageReward, imageRewardForward, type PromptTokens } from './forward.ts';
export {
  type BlipVitConfig,
  type ImageRewardConfig,
  imageRewardName,
  imageRewardPresets,
  imageRewardShapes,
  type MedConfig,
} from './weights.ts';
