import { type Tensor, tf } from '../../engine/tf.ts';
import type { HostTensor } from '../../io/index.ts';
import type { Weights } from '../../nn/index.ts';
import * as adamw from './adamw.ts';
import { type Clip, measureClip } from './clip-norm.ts';
import * as ema from './ema.ts';
import type { Gradients } from './gradients.ts';
import * as muon from './muon.ts';
import { type RateSchedule, rateAt } from './schedule.ts';

/** How one network is optimised. */
export interface LearnerOptions extends adamw.AdamWSettings {
  /** Learning rate, constant or over time. */
  lr: number | RateSchedule;
  /** Bound of the gradients' total 2-norm; null for none. @defaultValue 10 */
  clip?: number | null;
  /** Trains the hidden matrices by Muon, which needs fewer steps from scratch, and the rest by AdamW. @defaultValue null */
  muon?: muon.MuonSettings | null;
}

/** Weights that follow the trained ones as a moving average; they belong to the caller, who made them by `ema.init`. */
export interface Average extends ema.EmaOptions {
  weights: Weights;
}

/**
 * A network in training: its weights and their average (both the caller's) with the optimizer's moments (its own).
 * Everything that changes between updates enters `apply` as one tensor, so that a compiled step can be replayed.
 */
export class Learner {
  readonly name: string;
  readonly weights: Weights;
  readonly average: Average | null;
  readonly #options: LearnerOptions;
  readonly #optimizer: adamw.AdamWState;

  constructor(name: string, weights: Weights, options: LearnerOptions, average: Average | null = null) {
    this.name = name;
    this.weights = weights;
    this.average = average;
    this.#options = options;
    this.#optimizer = adamw.init(weights);
  }

  /** Number of updates made. */
  get step(): number {
    return this.#optimizer.step;
  }

  /** Counts the next update and returns what changes with it: learning rate, count, share of the average kept, taken. */
  next(): [lr: number, step: number, keep: number, take: number] {
    const step = ++this.#optimizer.step;
    const [keep, take] = this.average ? ema.coefficients(step, this.average) : [0, 0];
    return [rateAt(this.#options.lr, step), step, keep, take];
  }

  /** Clip, update the weights and their average, in the graph; `numbers` `[4]` holds what `next` returned. */
  apply(gradients: Gradients, numbers: Tensor): Clip {
    const clip = measureClip(gradients, this.#options.clip === undefined ? 10 : this.#options.clip);
    const [lr, step, keep, take] = tf.unstack(numbers) as [Tensor, Tensor, Tensor, Tensor];
    const { muon: settings = null } = this.#options;
    const isHidden = (name: string): boolean => settings !== null && muon.isHidden(name, this.weights.get(name));
    const rest = new Map([...gradients].filter(([name]) => !isHidden(name)));
    adamw.apply(this.#optimizer, this.weights, rest, { ...this.#options, lr, step, gradScale: clip.scale });
    if (settings) {
      const hidden = new Map([...gradients].filter(([name]) => isHidden(name)));
      muon.apply(this.#optimizer.firstMoment, this.weights, hidden, { ...settings, lr, gradScale: clip.scale });
    }
    if (this.average) ema.apply(this.average.weights, this.weights, [keep, take]);
    return clip;
  }

  /** Everything that a continuation needs, by file name: weights, their average, moments. */
  async tensors(): Promise<Map<string, Map<string, HostTensor>>> {
    const files = new Map([[this.name, await this.weights.toHost()]]);
    if (this.average) files.set(`${this.name}-ema`, await this.average.weights.toHost());
    files.set(`${this.name}-adamw`, await this.#moments());
    return files;
  }

  async #moments(): Promise<Map<string, HostTensor>> {
    const { firstMoment, secondMoment, step } = this.#optimizer;
    const all = new Map<string, HostTensor>([['step', count(step)]]);
    for (const [name, value] of await firstMoment.toHost()) all.set(`first.${name}`, value);
    for (const [name, value] of await secondMoment.toHost()) all.set(`second.${name}`, value);
    return all;
  }

  /** Take the state of an earlier run back; `read` gives the tensors of a file by its name. */
  async restore(read: (file: string) => Promise<ReadonlyMap<string, HostTensor>>): Promise<void> {
    const moments = await read(`${this.name}-adamw`);
    this.weights.load(await read(this.name));
    if (this.average) this.average.weights.load(await read(`${this.name}-ema`));
    this.#optimizer.firstMoment.load(below(moments, 'first.'));
    this.#optimizer.secondMoment.load(below(moments, 'second.'));
    this.#optimizer.step = Number(moments.get('step')?.data[0]);
  }

  /** Release the moments; weights and average stay the caller's. */
  dispose(): void {
    adamw.dispose(this.#optimizer);
  }
}

function count(step: number): HostTensor {
  return { dtype: 'int32', shape: [], data: Int32Array.of(step) };
}

function below(all: ReadonlyMap<string, HostTensor>, prefix: string): Map<string, HostTensor> {
  const inside = [...all].filter(([name]) => name.startsWith(prefix));
  return new Map(inside.map(([name, value]) => [name.slice(prefix.length), value]));
}
