import type { Tensor } from '../../engine/tf.ts';

/** Turns prompts into what networks attend to: the one contract of samplers and training. */
export interface TextEncoder {
  /** Text states [B, n, D] of prompts, those after a shorter prompt's end zero; the receiver disposes of them. */
  encode(prompts: readonly string[]): Tensor | Promise<Tensor>;
  /** Tells encoders apart in the records of runs. */
  readonly id?: string;
}
