import { type Tensor, tf } from '../../engine/tf.ts';
import type { HostTensor } from '../../io/index.ts';
import { toHost, toTensor, type Weights } from '../../nn/index.ts';
import { checkShapes, checksumOf, overlayChecksum, shapesOf } from '../../nn/internal.ts';
import * as ema from './ema.ts';
import { type Average, isMuons, type LearnerSettings, rateAt } from './learner-options.ts';
import {
  adamw,
  type ClipResult,
  chosenBy,
  type Gradients,
  measureClip,
  muon,
  type Optimiser,
  type OptimiserState,
  type Parameters,
  parametersOf,
  releaseState,
} from './optimiser.ts';

/** What a learner needs of a net. */
export interface Trained {
  readonly weights: Weights;
  readonly config?: unknown;
  readonly architecture?: { readonly name: string; isHidden?(name: string): boolean };
}

/** What changes between updates; numbers on the host, scalars in the graph of a step. */
export interface LearnerNumbers<T = number> {
  lr: T;
  /** Count of this update, from 1. */
  step: T;
  /** Shares of the old average and of the new weights in the new average. */
  keep: T;
  take: T;
}

/**
 * A network in training: its weights and their average (both the caller's) with the optimiser's state (its own).
 * Everything that changes between updates enters `apply` as tensors, so that a compiled step can be replayed.
 */
export class Learner {
  readonly name: string;
  readonly net: Trained;
  readonly average: Required<Average> | null;
  readonly parameters: Parameters;
  readonly #settings: LearnerSettings;
  readonly #optimiser: Optimiser;
  readonly #state: OptimiserState;
  #step = 0;

  /** @param settings - of `settleLearner` or `settleTraining` */
  constructor(name: string, net: Trained, settings: LearnerSettings & { average?: Required<Average> | null }) {
    const chosen = settings.trainable && new Set(settings.trainable);
    this.name = name;
    this.net = net;
    this.average = settings.average ?? null;
    this.parameters = parametersOf(net.weights, (weight) => chosen?.has(weight) ?? true);
    this.#settings = settings;
    this.#optimiser = optimiserOf(net, settings);
    this.#state = this.#optimiser.init(this.parameters);
  }

  get step(): number {
    return this.#step;
  }

  /** Counts the next update and returns what changes with it. */
  next(): LearnerNumbers {
    const step = ++this.#step;
    const [keep, take] = this.average ? ema.coefficients(step, this.average) : [0, 0];
    return { lr: rateAt(this.#settings.lr, step), step, keep, take };
  }

  /** Clip, update the weights and their average, in the graph. */
  apply(gradients: Gradients, { lr, step, keep, take }: LearnerNumbers<Tensor>): ClipResult {
    const clip = measureClip(gradients, this.#settings.clip);
    this.#optimiser.update(gradients, this.#state, this.parameters, { lr, step, gradScale: clip.scale });
    if (this.average) {
      ema.update(this.average.net.weights, this.net.weights, [keep, take], this.parameters.keys());
    }
    return clip;
  }

  /** SHA-256 of the trained weights as they are now, and of those that stay as they are (null for none). */
  async checksums(): Promise<{ trained: string; frozen: string | null }> {
    return { trained: checksumOf(await hostOf(this.parameters)), frozen: await this.#frozen() };
  }

  /** Everything that a continuation needs, by file name: trained weights, their average, the optimiser's state. */
  async tensors(): Promise<Map<string, Map<string, HostTensor>>> {
    const files = new Map([[this.name, await hostOf(this.parameters)]]);
    if (this.average) files.set(`${this.name}-average`, await hostOf(this.#averaged(this.average)));
    const state = new Map([['step', count(this.#step)]]);
    for (const [key, weights] of Object.entries(this.#state)) {
      for (const [name, value] of await weights.toHost()) state.set(`${key}:${name}`, value);
    }
    return files.set(`${this.name}-optimiser`, state);
  }

  /** Take the state of an earlier run back; `read` gives the tensors of a file by its name. */
  async restore(read: (file: string) => Promise<ReadonlyMap<string, HostTensor>>): Promise<void> {
    const stored = await read(`${this.name}-optimiser`);
    load(this.parameters, await read(this.name));
    if (this.average) load(this.#averaged(this.average), await read(`${this.name}-average`));
    for (const [key, weights] of Object.entries(this.#state)) weights.load(below(stored, `${key}:`));
    this.#step = Number(stored.get('step')?.data[0]);
  }

  /** Release the optimiser's state; weights and average stay the caller's. */
  dispose(): void {
    releaseState(this.#state);
  }

  /** What stays as it is: weights that are not chosen, and under a LoRA all that it lies over. */
  async #frozen(): Promise<string | null> {
    const { weights } = this.net;
    const rest = weights.entries().filter(([name]) => !this.parameters.has(name));
    const own = rest.length === 0 ? null : checksumOf(await hostOf(rest));
    if (weights.overlay === null) return own;
    const beneath = await overlayChecksum(weights.overlay);
    return own === null ? beneath : `${own} over ${beneath}`;
  }

  #averaged({ net }: Average): Parameters {
    return new Map([...this.parameters.keys()].map((name) => [name, net.weights.variable(name)]));
  }
}

function optimiserOf(net: Trained, settings: LearnerSettings): Optimiser {
  if (settings.muon === null) return adamw(settings);
  const choose = (name: string): 'adamw' | 'muon' => (isMuons(net, name) ? 'muon' : 'adamw');
  return chosenBy(choose, { adamw: adamw(settings), muon: muon(settings.muon) });
}

async function hostOf(tensors: Iterable<readonly [string, Tensor]>): Promise<Map<string, HostTensor>> {
  const host = new Map<string, HostTensor>();
  for (const [name, tensor] of tensors) host.set(name, await toHost(tensor));
  return host;
}

/** @throws Error listing the missing, surplus and misshapen weights; nothing is changed then. */
function load(parameters: Parameters, values: ReadonlyMap<string, HostTensor>): void {
  checkShapes(shapesOf(values), shapesOf(parameters), 'the weights of the checkpoint');
  for (const [name, variable] of parameters) tf.tidy(() => variable.assign(toTensor(values.get(name)!)));
}

function count(step: number): HostTensor {
  return { dtype: 'int32', shape: [], data: Int32Array.of(step) };
}

function below(all: ReadonlyMap<string, HostTensor>, prefix: string): Map<string, HostTensor> {
  const inside = [...all].filter(([name]) => name.startsWith(prefix));
  return new Map(inside.map(([name, value]) => [name.slice(prefix.length), value]));
}
