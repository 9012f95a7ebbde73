/** A network as its passes read it: weights by name below a prefix, wherever they lie, with their configuration. */
import type { Tensor } from '../engine/tf.ts';

/** What may leave a lent block: see {@link WeightView}. */
export type LentResult = { [name: string]: Tensor | undefined };

/** Weights by official name as a pass through a network reads them. `Weights` is one; blocks that are swapped another. */
export interface WeightView {
  /** @throws Error with the full name if there is none. */
  get(name: string): Tensor;
  /** The weights below a prefix. */
  at(prefix: string): WeightView;
  /**
   * Present where the blocks are not resident: runs `use` on the weights of the block of a prefix, waits until the
   * engine is done with them, and frees them. Of what `use` makes only the tensors that it returns live on.
   */
  lend?<T extends LentResult>(block: string, use: (weights: WeightView) => T): T;
}

/** A network, or the part of one below a prefix: what every pass takes. */
export interface Part<Config> {
  readonly weights: WeightView;
  readonly config: Config;
}

/** Sees an inner value while a network runs, by its official name. It is freed afterwards: keep a clone to use it later. */
export type ValueTap = (name: string, value: Tensor) => void;

/** Option of every pass whose inner values can be seen. */
export interface Tapped {
  /** Hears of each value. */
  readonly onValue?: ValueTap | undefined;
}

/** The tap of a part of a network, from that of the whole. */
export function tapBelow(prefix: string, onValue: ValueTap | undefined): Tapped {
  return onValue ? { onValue: (name, value) => onValue(`${prefix}.${name}`, value) } : {};
}

/** Runs `use` on the weights below the prefix of a block, borrowed where they are not resident. */
export function withBlock<T extends LentResult>(
  weights: WeightView,
  block: string,
  use: (weights: WeightView) => T,
): T {
  return weights.lend ? weights.lend(block, use) : use(weights.at(block));
}
