export { cleanPrompt } from './clean-text.ts';
export { type PromptCache, promptCache } from './prompt-cache.ts';
export { type PromptEncoder, type Umt5PromptOptions, umt5PromptEncoder } from './prompt-encoder.ts';
export { type TableTextEncoder, type TableTextOptions, tableTextEncoder } from './table.ts';
export type { TextEncoder } from './text-encoder.ts';
export { openTokenizer, type PromptTokenizer } from './tokenizer.ts';
export { type TokenBatch, type Umt5Tap, umt5Encode } from './umt5.ts';
export { type Umt5Config, umt5ConfigOf, umt5Presets, umt5Shapes } from './umt5-config.ts';
export {
  type Umt5FileEncoder,
  type Umt5FileOptions,
  umt5FileConfig,
  umt5FileEncoder,
  type WeightsFile,
} from './umt5-file-encoder.ts';
export { umt5, umt5Name, umt5OfficialName } from './umt5-names.ts';
export { type TensorSource, umt5EncodeFrom } from './umt5-stream.ts';
