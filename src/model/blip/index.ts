export { type BlipVitConfig, type ImageRewardConfig, imageRewardPresets, type MedConfig } from './config.ts';
export { blipImageTokens, blipTextStates, imageRewardForward, type PromptTokens } from './forward.ts';
export { openWordPiece, type WordPieceTokenizer } from './tokenizer.ts';
export { imageReward, imageRewardName, imageRewardShapes } from './weights.ts';
