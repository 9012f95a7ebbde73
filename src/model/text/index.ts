export { cleanPrompt } from './clean-text.ts';
export {
  type TableTextEncoder,
  type TextEncoder,
  tableTextEncoder,
  umt5PromptEncoder,
} from './encoders.ts';
export { encoderIdentity, promptCache } from './prompt-cache.ts';
export { umt5, umt5Encode } from './umt5.ts';
export {
  type Umt5FileEncoder,
  umt5EncodeFrom,
  umt5FileConfig,
  umt5FileEncoder,
} from './umt5-file.ts';
export {
  type Umt5Config,
  umt5Name,
  umt5OfficialName,
  umt5Presets,
  umt5Shapes,
} from './umt5-weights.ts';
