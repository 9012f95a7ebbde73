export { type ViclipConfig, viclipPresets } from './config.ts';
export { viclipTextFeatures, viclipVideoFeatures } from './forward.ts';
export { loadViclip, viclipShapes } from './weights.ts';
