/** `model.text`: Wan2.1's text encoder umT5, its tokenizer, and the table of words of the small scale. */
import { umt5 } from './umt5.ts';

export { openTokenizer, type PromptTokenizer as Tokenizer, type TokenBatch } from '../tokenizer/index.ts';
export { cleanPrompt } from './clean-text.ts';
export {
  type PromptEncoder,
  type TableTextEncoder as TableEncoder,
  type TableTextOptions as TableOptions,
  tableTextEncoder as tableEncoder,
  type Umt5PromptOptions as PromptOptions,
  umt5PromptEncoder as promptEncoder,
} from './encoders.ts';
export { umt5Encode as encode } from './umt5.ts';
export {
  type Umt5FileEncoder as FileEncoder,
  type Umt5FileOptions as FileOptions,
  umt5FileEncoder as fileEncoder,
} from './umt5-file.ts';
export type { Umt5Config as Config } from './umt5-weights.ts';

/** Configurations by their published names. */
export const presets: typeof umt5.presets = umt5.presets;
/** Shape of every weight by its official name. */
export const shapes: typeof umt5.shapes = umt5.shapes;
/** A net from the tensors of a checkpoint in any published naming. */
export const load: typeof umt5.load = umt5.load;
/** The record itself, for what takes any architecture. */
export { umt5 as architecture };
