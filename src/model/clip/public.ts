/** `model.clip`: OpenAI's CLIP. */
import { clip } from './clip.ts';

export { type ClipTokenizer as Tokenizer, openClipTokenizer as openTokenizer } from '../tokenizer/tokenizer.ts';
export {
  clip as architecture,
  clipImageFeatures as imageFeatures,
  clipLogits as logits,
  clipTextFeatures as textFeatures,
} from './clip.ts';
export { type ClipConfig as Config, clipPresets as presets, clipShapes as shapes } from './weights.ts';
/** A net from the tensors of a checkpoint in any published naming. */
export const load: typeof clip.load = clip.load;
