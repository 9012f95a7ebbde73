/** How one network is optimised: options, their defaults, what is refused. */
import { checkChoice, checkNet, checkNumber, checkWhole, shown } from '../ingredients.ts';
import type { EmaOptions } from './ema.ts';
import type { Trained } from './learner.ts';
import {
  type AdamWSettings,
  adamwDefaults,
  isMatrix,
  type MuonSettings,
  muonDefaults,
  parametersOf,
} from './optimiser.ts';

/** A learning rate over time, as data: it is written to a run's record. */
export interface RateSchedule {
  /** The full rate. */
  lr: number;
  /** Updates during which the rate rises in a straight line to its value. @defaultValue 0 */
  warmup?: number;
  /** A fall to `final · lr` between two updates. Without it the rate stays. */
  decay?: { kind: 'linear' | 'cosine'; from: number; to: number /** @defaultValue 0 */; final?: number };
}

export interface LearnerOptions extends AdamWSettings {
  /** Learning rate, constant or over time. */
  lr: number | RateSchedule;
  /** Bound of the gradients' total 2-norm; null for none. @defaultValue 10 */
  clip?: number | null;
  /** Trains the hidden matrices by Muon, which needs fewer steps from scratch, and the rest by AdamW. @defaultValue null */
  muon?: MuonSettings | null;
  /** Which weights are trained, by name; gradients, moments and checkpoints are of these alone. @defaultValue all */
  trainable?: (name: string) => boolean;
}

/** Weights that follow the trained ones as a moving average; they belong to the caller, who made them by `net.clone`. */
export interface Average extends EmaOptions {
  /** `student.clone({ trainable: false })` */
  net: Trained;
}

export interface LearnerSettings extends Required<AdamWSettings> {
  lr: number | RateSchedule;
  clip: number | null;
  muon: Required<MuonSettings> | null;
  /** Names of the trained weights; null for all. */
  trainable: readonly string[] | null;
}

/** The part of a stage's options that says how its one network is optimised. */
export function learnerPart(options: Partial<LearnerOptions>): Partial<LearnerOptions> {
  const { lr, betas, eps, weightDecay, clip, muon, trainable } = options;
  const given = { lr, betas, eps, weightDecay, clip, muon, trainable };
  return Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined));
}

/** Options with their defaults, checked (RangeError naming the option); `path` is put before names in errors. */
export function settleLearner(net: Trained, options: LearnerOptions, path: string = ''): LearnerSettings {
  if (!options) throw new TypeError(`${path.slice(0, -1)}: wanted { lr, ... }, received ${shown(options)}`);
  const { betas, eps, weightDecay } = { ...adamwDefaults, ...learnerPart(options) };
  const { clip = 10, muon = null } = options;
  if (!Array.isArray(betas) || betas.length !== 2) {
    throw new RangeError(`${path}betas: wanted two numbers in [0, 1), received ${shown(betas)}`);
  }
  for (const [i, beta] of betas.entries()) checkNumber(`${path}betas[${i}]`, beta, { min: 0, below: 1 });
  return {
    lr: settleRate(`${path}lr`, options.lr),
    betas,
    eps: checkNumber(`${path}eps`, eps, { min: 0 }),
    weightDecay: checkNumber(`${path}weightDecay`, weightDecay, { min: 0 }),
    clip: clip === null ? null : checkNumber(`${path}clip`, clip, { above: 0 }),
    muon: muon && settleMuon(`${path}muon`, net, muon),
    trainable: trainableNames(`${path}trainable`, net, options.trainable),
  };
}

function settleRate(name: string, rate: LearnerOptions['lr']): number | RateSchedule {
  if (typeof rate !== 'object' || rate === null) return checkNumber(name, rate, { min: 0 });
  const { lr, warmup = 0, decay } = rate;
  const rising = { lr: checkNumber(`${name}.lr`, lr, { min: 0 }), warmup: checkWhole(`${name}.warmup`, warmup, 0) };
  if (!decay) return rising;
  const { kind, from, to, final = 0 } = decay;
  checkChoice(`${name}.decay.kind`, kind, ['linear', 'cosine']);
  checkNumber(`${name}.decay.from`, from);
  if (!(checkNumber(`${name}.decay.to`, to) > from)) {
    throw new RangeError(`${name}: a decay from step ${from} to step ${to} has no length: give to > from`);
  }
  return { ...rising, decay: { kind, from, to, final: checkNumber(`${name}.decay.final`, final, { min: 0 }) } };
}

function settleMuon(name: string, { architecture }: Trained, options: MuonSettings): Required<MuonSettings> {
  const { rate, momentum } = { ...muonDefaults, ...options };
  if (!architecture?.isHidden) {
    const who = architecture?.name ?? 'this network';
    throw new TypeError(`${name}: ${who} does not say which of its weights are hidden (isHidden); leave muon out`);
  }
  checkNumber(`${name}.rate`, rate, { min: 0 });
  return { rate, momentum: checkNumber(`${name}.momentum`, momentum, { min: 0, below: 1 }) };
}

function trainableNames(
  name: string,
  { weights }: Trained,
  isChosen?: (name: string) => boolean,
): readonly string[] | null {
  const names = [...parametersOf(weights, isChosen).keys()];
  if (names.length > 0) return names.length === weights.names().length ? null : names;
  const why = isChosen ? 'it chose none of them' : 'all weights are frozen; train a copy, net.clone()';
  throw new RangeError(`${name}: wanted at least one weight to train, but ${why}`);
}

/** How the one network of a stage is trained: its learner's settings and its average. */
export function settleTraining(
  net: Trained,
  options: LearnerOptions & { average?: Average | undefined },
): LearnerSettings & { average: Required<Average> | null } {
  return { ...settleLearner(net, options), average: settleAverage(options.average, net) };
}

export function settleAverage(average: Average | undefined, { weights }: Trained): Required<Average> | null {
  if (!average) return null;
  const { net, decay, start = 1 } = average;
  checkNet('average.net', net);
  if (net.weights === weights) {
    throw new TypeError('average.net: wanted weights of its own, received those that are trained: give net.clone()');
  }
  checkNumber('average.decay', decay, { min: 0, below: 1 });
  return { net, decay, start: checkWhole('average.start', start, 1) };
}

/** Whether Muon trains a weight: matrices between hidden states, no embeddings, heads, norms or biases. */
export function isMuons({ architecture, weights }: Trained, name: string): boolean {
  return architecture?.isHidden?.(name) === true && isMatrix(weights.get(name));
}

/** The rate of update `step` (from 1), with warm-up `min(1, step / warmup)` and decay; a plain number is a constant rate. */
export function rateAt(schedule: number | RateSchedule, step: number): number {
  if (typeof schedule === 'number') return schedule;
  const { lr, warmup = 0, decay } = schedule;
  const rise = warmup > 0 ? Math.min(1, step / warmup) : 1;
  return lr * rise * (decay ? remaining(decay, step) : 1);
}

function remaining({ kind, from, to, final = 0 }: NonNullable<RateSchedule['decay']>, step: number): number {
  const done = Math.min(1, Math.max(0, (step - from) / (to - from)));
  const left = kind === 'linear' ? 1 - done : 0.5 * (1 + Math.cos(Math.PI * done));
  return final + (1 - final) * left;
}
