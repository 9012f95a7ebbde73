export { type DinoConfig, dino, dinoFeatures, dinoPositions, dinoPresets, dinoShapes, dinoTokens } from './dino.ts';
