export { type BlipVitConfig, type ImageRewardConfig, imageRewardPresets, type MedConfig } from './config.ts';
export { blipImageTokens, blipTextStates, imageRewardForward, type PromptTokens } from './forward.ts';
export { openWordPiece, type WordPieceTokenizer } from './tokenizer.ts';
export { imageRewardName, imageRewardShapes, loadImageReward } from './weights.ts';
