/** `model.musiq`: image quality by MUSIQ. */
import { musiq } from './forward.ts';

export { musiqScore as score } from './forward.ts';
export type { MusiqConfig as Config } from './weights.ts';

/** Configurations by their published names. */
export const presets: typeof musiq.presets = musiq.presets;
/** Shape of every weight by its official name. */
export const shapes: typeof musiq.shapes = musiq.shapes;
/** A net from the tensors of a checkpoint in any published naming. */
export const load: typeof musiq.load = musiq.load;
/** The record itself, for what takes any architecture. */
export { musiq as architecture };
