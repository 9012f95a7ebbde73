/**
 * Block swapping: the weights outside of the blocks stay on the engine, those of a block are read when a pass comes to
 * them and freed behind it, so that a pass needs the memory of one block whatever the depth.
 */
import { flush } from '../../engine/index.ts';
import { isTapeOn, type Tensor, tf } from '../../engine/tf.ts';
import type { HostTensor } from '../../io/index.ts';
import { Net, type NetAbout, toTensor, Weights, type WeightView } from '../../nn/index.ts';
import { checkFinite, type LentResult } from '../../nn/internal.ts';
import type { WanConfig } from './config.ts';
import { wan } from './pass.ts';
import { wanShapes } from './weights.ts';

/** Where the weights of the blocks wait, by official name: a map in host memory, or a file. */
export interface BlockSource {
  read(name: string): HostTensor;
}

/** The weights of a transformer whose blocks are swapped. They serve passes without gradient. */
export interface SwappedWan extends WeightView {
  readonly lend: NonNullable<WeightView['lend']>;
  /** Frees the weights outside of the blocks. */
  dispose(): void;
}

/**
 * A transformer whose blocks are read from `source` in every pass. A pass computes the same numbers as with resident
 * weights; each block runs by itself, and reading counts as part of its time.
 *
 * @throws Error from a pass inside of a gradient, which would need all blocks at once.
 * @example const net = swappedWan(config, { read: (name) => file.map(name) });
 */
export function swappedWan(config: WanConfig, source: BlockSource, about?: NetAbout): Net<WanConfig, SwappedWan> {
  const names = [...wanShapes(config).keys()].filter((name) => !name.startsWith('blocks.'));
  const checked = checkedSource(source);
  const resident = Weights.from(lazily(names, checked), { trainable: false });
  const weights: SwappedWan = {
    get: (name) => resident.get(name),
    at: (prefix) => resident.at(prefix),
    lend: (block, use) => lendBlock(checked, block, use),
    dispose: () => resident.dispose(),
  };
  return new Net(wan, config, weights, about);
}

/** What is read for the first time is looked at: a weight that holds NaN or infinity ends the pass by its name. */
function checkedSource(source: BlockSource): BlockSource {
  const seen = new Set<string>();
  const read = (name: string): HostTensor => {
    const tensor = source.read(name);
    if (!seen.has(name)) checkFinite(name, tensor);
    seen.add(name);
    return tensor;
  };
  return { read };
}

function* lazily(names: readonly string[], source: BlockSource): Generator<[string, HostTensor]> {
  for (const name of names) yield [name, source.read(name)];
}

function lendBlock<T extends LentResult>(source: BlockSource, block: string, use: (weights: WeightView) => T): T {
  if (isTapeOn()) {
    throw new Error('a transformer with swapped blocks has no gradient: load it with resident blocks to train it');
  }
  const lent = new Map<string, Tensor>();
  try {
    const result = tf.tidy(() => use(lentView(source, lent, `${block}.`)));
    flush(); // an engine may put work off, and the weights go now
    return result;
  } finally {
    tf.dispose([...lent.values()]);
  }
}

/** Reads each weight when it is first asked for: a pass over the text needs two matrices of a block only. */
function lentView(source: BlockSource, lent: Map<string, Tensor>, prefix: string): WeightView {
  return {
    get: (name) => {
      const full = prefix + name;
      const known = lent.get(full);
      if (known !== undefined) return known;
      const read = tf.keep(toTensor(source.read(full)));
      lent.set(full, read);
      return read;
    },
    at: (part) => lentView(source, lent, `${prefix}${part}.`),
  };
}
