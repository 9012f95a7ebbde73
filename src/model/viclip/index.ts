export { type ViclipConfig, viclipPresets } from './config.ts';
export { viclipTextFeatures, viclipVideoFeatures } from './forward.ts';
export { viclip, viclipShapes } from './weights.ts';
