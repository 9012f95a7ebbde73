export { cleanPrompt } from './clean-text.ts';
export {
  type PromptEncoder,
  type TableTextEncoder,
  type TableTextOptions,
  type TextEncoder,
  tableTextEncoder,
  type Umt5PromptOptions,
  umt5PromptEncoder,
} from './encoders.ts';
export { encoderIdentity, type PromptCache, promptCache } from './prompt-cache.ts';
export { umt5, umt5Encode } from './umt5.ts';
export {
  type TensorSource,
  type Umt5FileEncoder,
  type Umt5FileOptions,
  umt5EncodeFrom,
  umt5FileConfig,
  umt5FileEncoder,
  type WeightsFile,
} from './umt5-file.ts';
export {
  type Umt5Config,
  umt5ConfigOf,
  umt5Name,
  umt5OfficialName,
  umt5Presets,
  umt5Shapes,
} from './umt5-weights.ts';
