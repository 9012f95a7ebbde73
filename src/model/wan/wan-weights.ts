/** How a pass through the transformer reaches its weights: all resident, or one block after the other. */
import type { Tensor } from '../../engine/tf.ts';

/** Weights by official name, with views below a prefix; `Weights` is one. */
export interface WanWeights {
  /** @throws Error with the full name if there is none. */
  get(name: string): Tensor;
  at(prefix: string): WanWeights;
  /**
   * Present where the blocks are not resident: runs `use` on the weights of the block of a prefix, waits until the
   * engine is done with them, and frees them. Of what `use` makes only the tensors that it returns live on.
   */
  lend?<T extends LentResult>(block: string, use: (weights: WanWeights) => T): T;
}

/** What may leave a lent block. */
export type LentResult = { [name: string]: Tensor | undefined };

/** Runs `use` on the weights below the prefix of a block, borrowed where they are not resident. */
export function withBlock<T extends LentResult>(
  weights: WanWeights,
  block: string,
  use: (weights: WanWeights) => T,
): T {
  return weights.lend ? weights.lend(block, use) : use(weights.at(block));
}
