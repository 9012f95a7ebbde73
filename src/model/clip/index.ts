export { type ClipConfig, clipConfigOf, clipPresets, type HfClipConfig } from './config.ts';
export { clipImageFeatures, clipLogits, clipTextFeatures, normalised } from './forward.ts';
export { type ClipTokenizer, openClipTokenizer } from './tokenizer.ts';
export { clip, clipOfficialShapes, clipOpenaiName, clipShapes } from './weights.ts';
