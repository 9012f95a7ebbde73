/** `model.dino`: DINO's image tower. */
import { dino } from './dino.ts';

export {
  type DinoConfig as Config,
  dino as architecture,
  dinoFeatures as features,
  dinoPresets as presets,
  dinoShapes as shapes,
  dinoTokens as tokens,
} from './dino.ts';
/** A net from the tensors of a checkpoint in any published naming. */
export const load: typeof dino.load = dino.load;
