export { type DinoConfig, dinoPresets } from './config.ts';
export { dino, dinoFeatures, dinoPositions, dinoShapes, dinoTokens } from './forward.ts';
