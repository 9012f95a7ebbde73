export { type DinoConfig, dinoPresets } from './config.ts';
export { dinoFeatures, dinoPositions, dinoShapes, dinoTokens, loadDino } from './forward.ts';
