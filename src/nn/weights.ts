/** Weights of a network: by name below a prefix, wherever they lie, and as variables that own their memory. */
import { jupyterDisplay } from '../display/index.ts';
import { type Tensor, tf, type Variable } from '../engine/tf.ts';
import type { HostTensor } from '../io/index.ts';
import { checkShapes, type Shapes } from './shapes.ts';
import { toHost, toTensor } from './tensors.ts';
import { weightsBundle } from './weights-display.ts';

/** What weights are made from: an engine's tensor, or host data as read from a file or drawn from a key. */
export type WeightSource = Tensor | HostTensor;

/** How {@link Weights.from} makes its variables. */
export interface WeightsOptions {
  /** Whether optimizers may change the variables. @defaultValue true */
  trainable?: boolean;
}

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

/** Weights that lie over those of another network and change what is read of them: a LoRA. */
export interface Overlay {
  /** What is changed; it stays its owner's, and nothing trains it through here. */
  readonly base: WeightView;
  /** What the change is beside its variables: which weights, how often they count. */
  readonly id: string;
  /** Whether a weight of the base, by its full name, is read changed. */
  changes(name: string): boolean;
  /** The weight as it is read, computed from the base's and from the own variables at every read. */
  changed(name: string, weight: Tensor, variables: ReadonlyMap<string, Variable>): Tensor;
}

let serial = 0;

/**
 * The weights of a model: a map from checkpoint key to variable, in the layout and under the names of the official
 * checkpoint (`Linear.weight` [out, in], `Conv3d.weight` [out, in, kT, kH, kW]). They own engine memory: `dispose()`
 * releases it. Those of a LoRA own its factors alone, and read everything else through to the network beneath.
 *
 * @example
 * const weights = Weights.from(await readSafetensors('weights.safetensors'));
 * const block = weights.at('blocks.0.self_attn');
 * linear(x, block.get('q.weight'), block.get('q.bias'));
 */
export class Weights {
  readonly #variables: Map<string, Variable>;
  readonly #prefix: string;
  /** What these lie over, null for the weights of a network itself. */
  readonly overlay: Overlay | null;

  static {
    const value = function (this: Weights): Record<string, string> {
      return weightsBundle(this.entries()); // what a notebook shows: a tree of the names with shapes, types and sizes
    };
    Object.defineProperty(Weights.prototype, jupyterDisplay, { value });
  }

  private constructor(variables: Map<string, Variable>, prefix: string, overlay: Overlay | null) {
    this.#variables = variables;
    this.#prefix = prefix;
    this.overlay = overlay;
  }

  /**
   * Makes weights that own a variable for each entry; host data is uploaded one entry at a time. Tensors given stay the
   * caller's to dispose.
   *
   * @throws Error if a name is given twice.
   */
  static from(
    entries: Iterable<readonly [string, WeightSource]>,
    options: WeightsOptions = {},
    overlay: Overlay | null = null,
  ): Weights {
    const made = new Weights(new Map(), '', overlay);
    const model = serial++;
    try {
      for (const entry of entries) addVariable(made.#variables, entry, model, options);
    } catch (error) {
      made.dispose();
      throw error;
    }
    return made;
  }

  /** As {@link Weights.from}, for entries that arrive one after the other (a file read tensor by tensor). */
  static async stream(
    entries: Iterable<readonly [string, WeightSource]> | AsyncIterable<readonly [string, WeightSource]>,
    options: WeightsOptions = {},
  ): Promise<Weights> {
    const made = Weights.from([], options);
    const model = serial++;
    try {
      for await (const entry of entries) addVariable(made.#variables, entry, model, options);
    } catch (error) {
      made.dispose();
      throw error;
    }
    return made;
  }

  /** A weight as a pass reads it: a variable, or under a LoRA what it makes of one. @throws Error if there is none. */
  get(name: string): Tensor {
    const full = this.#prefix + name;
    const { overlay } = this;
    if (overlay === null || this.#variables.has(full)) return this.variable(name);
    const beneath = overlay.base.get(full);
    return overlay.changes(full) ? overlay.changed(full, beneath, this.#variables) : beneath;
  }

  /** A variable of these weights' own. @throws Error with the full name if there is none. */
  variable(name: string): Variable {
    const found = this.#variables.get(this.#prefix + name);
    if (found === undefined) throw new Error(`no weight "${this.#prefix}${name}"${this.#nearby(name)}`);
    return found;
  }

  has(name: string): boolean {
    return this.#variables.has(this.#prefix + name);
  }

  /** Keys of the variables below this view, without its prefix, in the order they were given. */
  names(): string[] {
    const { length } = this.#prefix;
    return [...this.#variables.keys()].filter((key) => key.startsWith(this.#prefix)).map((key) => key.slice(length));
  }

  /** Pairs of key and variable, in order. */
  entries(): [string, Variable][] {
    return this.names().map((name) => [name, this.variable(name)]);
  }

  /** The weights below a prefix: `weights.at('blocks.0').get('norm3.bias')` is `weights.get('blocks.0.norm3.bias')`. */
  at(prefix: string): Weights {
    return new Weights(this.#variables, `${this.#prefix}${prefix}.`, this.overlay);
  }

  /** The same variables over something else. */
  over(overlay: Overlay): Weights {
    return new Weights(this.#variables, this.#prefix, overlay);
  }

  shapes(): Map<string, number[]> {
    return new Map(this.entries().map(([name, variable]) => [name, variable.shape]));
  }

  /** Variables that an optimizer may change, in order. */
  trainable(): Variable[] {
    return this.entries().flatMap(([, variable]) => (variable.trainable ? [variable] : []));
  }

  /** Host copies of all weights, for files and comparisons. */
  async toHost(): Promise<Map<string, HostTensor>> {
    const host = new Map<string, HostTensor>();
    for (const [name, variable] of this.entries()) host.set(name, await toHost(variable));
    return host;
  }

  /** Replaces all values. @throws Error listing the weights whose names or shapes do not fit; nothing is changed then. */
  load(values: ReadonlyMap<string, WeightSource>): void {
    checkShapes(shapesOf(values), this.shapes(), 'the given weights');
    for (const [name, source] of values) tf.tidy(() => this.variable(name).assign(ownTensor(source)));
  }

  /**
   * Independent weights of the same values, in memory of their own from the start: what is recorded while two networks
   * share data is another graph than what is recorded once one of them has changed. A LoRA's factors are copied, the
   * network beneath is shared.
   */
  clone(options: WeightsOptions = {}): Weights {
    const copies = this.entries().map(([name, variable]): [string, Tensor] => [name, tf.mul(variable, 1)]);
    const made = Weights.from(copies, options, this.overlay);
    tf.dispose(copies.map(([, copy]) => copy));
    return made;
  }

  /** Releases the variables; a view releases those below its prefix. */
  dispose(): void {
    for (const [, variable] of this.entries()) variable.dispose();
  }

  /** A hint for a name that is not there: what is there at the same place. */
  #nearby(name: string): string {
    const parent = this.#prefix + name.slice(0, name.lastIndexOf('.') + 1);
    const siblings = [...this.#variables.keys()].filter((key) => key.startsWith(parent));
    return siblings.length === 0 ? ` and none below "${parent}"` : `; there are ${siblings.slice(0, 6).join(', ')}`;
  }
}

/** Shapes of a map of tensors. */
export function shapesOf(tensors: ReadonlyMap<string, { shape: readonly number[] }>): Shapes {
  return new Map([...tensors].map(([name, { shape }]) => [name, shape]));
}

/** Adds a variable that shares no handle with its source; TensorFlow.js wants its name unique in the process. */
function addVariable(
  variables: Map<string, Variable>,
  [name, source]: readonly [string, WeightSource],
  model: number,
  { trainable = true }: WeightsOptions,
): void {
  if (variables.has(name)) throw new Error(`weight "${name}" is given twice`);
  const variable = tf.tidy(() => tf.variable(ownTensor(source), trainable, `weights${model}/${name}`));
  variables.set(name, variable);
}

/** A tensor of its own of what a weight is made from, to be disposed of alone. */
export function ownTensor(source: WeightSource): Tensor {
  return source instanceof tf.Tensor ? tf.clone(source) : toTensor(source);
}
