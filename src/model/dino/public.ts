/** `model.dino`: DINO's image tower. */
import { dino } from './dino.ts';

export { type DinoConfig as Config, dinoFeatures as features, dinoTokens as tokens } from './dino.ts';

/** Configurations by their published names. */
export const presets: typeof dino.presets = dino.presets;
/** Shape of every weight by its official name. */
export const shapes: typeof dino.shapes = dino.shapes;
/** A net from the tensors of a checkpoint in any published naming. */
export const load: typeof dino.load = dino.load;
/** The record itself, for what takes any architecture. */
export { dino as architecture };
