/** `model.text`: Wan2.1's text encoder umT5, its tokenizer, and the table of words of the small scale. */
import { umt5 } from './umt5.ts';

export { openTokenizer, type PromptTokenizer as Tokenizer, type TokenBatch } from '../tokenizer/tokenizer.ts';
export { cleanPrompt } from './clean-text.ts';
export {
  type TableTextEncoder as TableEncoder,
  type TableTextOptions as TableOptions,
  tableTextEncoder as tableEncoder,
} from './table.ts';
export {
  type Umt5Config as Config,
  umt5 as architecture,
  umt5Encode as encode,
  umt5Presets as presets,
  umt5Shapes as shapes,
} from './umt5.ts';
export {
  type Umt5FileEncoder as FileEncoder,
  type Umt5FileOptions as FileOptions,
  umt5FileEncoder as fileEncoder,
} from './umt5-file.ts';
/** A net from the tensors of a checkpoint in any published naming. */
export const load: typeof umt5.load = umt5.load;
