export { type ClipConfig, clipConfigOf, clipPresets, type HfClipConfig } from './config.ts';
export { clip, clipImageFeatures, clipLogits, clipTextFeatures, resblock } from './forward.ts';
export { clipOpenaiName, clipShapes } from './weights.ts';
