/** `model.imageReward`: ImageReward on BLIP's towers. */
import { imageReward } from './blip.ts';

export { openWordPiece as openTokenizer, type PromptTokenizer as Tokenizer } from '../tokenizer/tokenizer.ts';
export {
  type ImageRewardConfig as Config,
  imageReward as architecture,
  imageRewardForward as forward,
  imageRewardPresets as presets,
  imageRewardShapes as shapes,
} from './blip.ts';
/** A net from the tensors of a checkpoint in any published naming. */
export const load: typeof imageReward.load = imageReward.load;
