/** `model.imageReward`: ImageReward on BLIP's towers. */
import { imageReward } from './forward.ts';

export { openWordPiece as openTokenizer, type WordPieceTokenizer as Tokenizer } from '../tokenizer/index.ts';
export { imageRewardForward as forward } from './forward.ts';
export type { ImageRewardConfig as Config } from './weights.ts';

/** Configurations by their published names. */
export const presets: typeof imageReward.presets = imageReward.presets;
/** Shape of every weight by its official name. */
export const shapes: typeof imageReward.shapes = imageReward.shapes;
/** A net from the tensors of a checkpoint in any published naming. */
export const load: typeof imageReward.load = imageReward.load;
/** The record itself, for what takes any architecture. */
export { imageReward as architecture };
