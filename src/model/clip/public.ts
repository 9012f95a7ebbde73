/** `model.clip`: OpenAI's CLIP. */
import { clip } from './forward.ts';

export { type ClipTokenizer as Tokenizer, openClipTokenizer as openTokenizer } from '../tokenizer/index.ts';
export { type ClipConfig as Config, clipConfigOf as configOf, type HfClipConfig as HfConfig } from './config.ts';
export {
  clipImageFeatures as imageFeatures,
  clipLogits as logits,
  clipTextFeatures as textFeatures,
} from './forward.ts';

/** Configurations by their published names. */
export const presets: typeof clip.presets = clip.presets;
/** Shape of every weight by its official name. */
export const shapes: typeof clip.shapes = clip.shapes;
/** A net from the tensors of a checkpoint in any published naming. */
export const load: typeof clip.load = clip.load;
/** The record itself, for what takes any architecture. */
export { clip as architecture };
