import { type Tensor, tf } from '../engine/tf.ts';
import { type HostFloats, type Key, toTensor, type Weights } from '../nn/index.ts';
import type { Average, LearnerOptions } from './optimiser/learner.ts';
import type { Json } from './run/run-folder.ts';

/**
 * Velocity `[B, F, H, W, C]` of noised latents `x` at timesteps `t` `[B]` or `[B, F]` (0..1000) under text states
 * `context` `[B, L, D]`. All three are tensors, so that a recorded step can be replayed with other ones.
 *
 * @example const forward: Forward = (weights, input) => wanForward(weights, config, input);
 */
export type Forward = (weights: Weights, input: { x: Tensor; t: Tensor; context: Tensor }) => Tensor;

/** A network and its weights, which stay the caller's. */
export interface Network {
  weights: Weights;
  forward: Forward;
}

/** A batch of `count` items, drawn with the key of the step: the same key gives the same batch. */
export type Source<T> = (key: Key, count: number) => T | Promise<T>;

/** Text states `[B, L, D]` of prompts; the receiver disposes of them. */
export type EncodeText = (prompts: readonly string[]) => Tensor;

/** Clean latents `[B, F, H, W, C]` with their prompts. */
export interface LatentBatch {
  latents: HostFloats;
  prompts: readonly string[];
}

/** Settings of a learner in the form that a run's configuration records. */
export function learnerConfig(options: LearnerOptions, average: Average | null = null): { [key: string]: Json } {
  const { lr, betas = [0.9, 0.999], eps = 1e-8, weightDecay = 0.01, clip = 10 } = options;
  const ema = average ? { decay: average.decay, start: average.start ?? 1 } : null;
  const muon = options.muon ? { muon: { ...options.muon } } : {};
  return { lr: lr as Json, betas, eps, weightDecay, clip, ema, ...muon };
}

/** Run `work` on tensors made of host data and of tensors handed over; all of them are released afterwards. */
export async function withTensors<T, R>(
  sources: { [K in keyof T]: Tensor | HostFloats },
  work: (tensors: { [K in keyof T]: Tensor }) => Promise<R>,
): Promise<R> {
  const tensors = Object.fromEntries(
    Object.entries<Tensor | HostFloats>(sources).map(([name, source]) => [name, asTensor(source)]),
  ) as { [K in keyof T]: Tensor };
  try {
    return await work(tensors);
  } finally {
    tf.dispose(tensors as Record<string, Tensor>);
  }
}

function asTensor(source: Tensor | HostFloats): Tensor {
  return source instanceof tf.Tensor ? source : toTensor(source);
}
