/** `model.amt`: the picture halfway between two others by AMT. */
import { amt } from './forward.ts';

export { amtMidpoint as midpoint, amtStride as stride } from './forward.ts';
export type { AmtConfig as Config } from './weights.ts';

/** Configurations by their published names. */
export const presets: typeof amt.presets = amt.presets;
/** Shape of every weight by its official name. */
export const shapes: typeof amt.shapes = amt.shapes;
/** A net from the tensors of a checkpoint in any published naming. */
export const load: typeof amt.load = amt.load;
/** The record itself, for what takes any architecture. */
export { amt as architecture };
