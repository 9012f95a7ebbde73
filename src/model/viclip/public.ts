/** `model.viclip`: CLIP for short videos. */
import { viclip } from './viclip.ts';

export {
  type ViclipConfig as Config,
  viclipTextFeatures as textFeatures,
  viclipVideoFeatures as videoFeatures,
} from './viclip.ts';

/** Configurations by their published names. */
export const presets: typeof viclip.presets = viclip.presets;
/** Shape of every weight by its official name. */
export const shapes: typeof viclip.shapes = viclip.shapes;
/** A net from the tensors of a checkpoint in any published naming. */
export const load: typeof viclip.load = viclip.load;
/** The record itself, for what takes any architecture. */
export { viclip as architecture };
