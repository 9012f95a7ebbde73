/** Velocity, x0 and noise converted into each other; guidance; the velocity of a Wan transformer under prompts. */

import { compile } from '../../engine/index.ts';
import { type Tensor, tf } from '../../engine/tf.ts';
import {
  type CrossAttnCache,
  createCrossAttnCache,
  disposeCache,
  type TextEncoder,
  type WanConfig,
  wanForward,
} from '../../model/internal.ts';
import type { Part } from '../../nn/index.ts';
import type { Velocity } from './solver.ts';

/**
 * A noise level: one number, or a tensor that broadcasts against the samples.
 * Conventions: x_sigma = (1 - sigma) x0 + sigma noise, velocity = noise - x0, timestep = 1000 sigma.
 */
export type Sigma = number | Tensor;

/** `(1 - sigma) x0 + sigma noise`: a sample at noise level sigma. */
export function addNoise(x0: Tensor, noise: Tensor, sigma: Sigma): Tensor {
  return tf.tidy(() => x0.mul(complement(sigma)).add(noise.mul(sigma)));
}

/** `x - sigma v`: the clean sample that a velocity at x points to. */
export function velocityToX0(x: Tensor, velocity: Tensor, sigma: Sigma): Tensor {
  return tf.tidy(() => x.sub(velocity.mul(sigma)));
}

function complement(sigma: Sigma): Sigma {
  return typeof sigma === 'number' ? 1 - sigma : tf.sub(1, sigma);
}

/**
 * `unconditional + scale (conditional - unconditional)`, classifier-free guidance (Ho and Salimans 2022).
 * Scale 1 is the conditional prediction alone. Since x0 = x - sigma v is linear, guiding velocities and guiding x0
 * predictions at one noise level are the same. The score guidance w of DMD corresponds to scale 1 + w.
 */
export function guide(conditional: Tensor, unconditional: Tensor, scale: number): Tensor {
  return tf.tidy(() => unconditional.add(conditional.sub(unconditional).mul(scale)));
}

/** A velocity field guided away from `unconditional` (an empty or a negative prompt); at scale 1 that one is not run. */
export function guided(conditional: Velocity, unconditional: Velocity, scale: number): Velocity {
  if (scale === 1) return conditional;
  return (x, t, sigma) => tf.tidy(() => guide(conditional(x, t, sigma), unconditional(x, t, sigma), scale));
}

/** A velocity field that holds tensors of its own until it is disposed. */
export type OwnedVelocity = Velocity & { dispose(): void };

export interface TextGuidance {
  /** See `guide`; 1 runs without the other prompt. */
  readonly guidanceScale: number;
  /** What is led away from; null is the text of zeros that stands for a dropped prompt in training. @defaultValue null */
  readonly negativePrompt?: string | null;
  /**
   * Whether both predictions run as one pass of twice the batch: faster for small networks, with twice the
   * activations. The result is the same but for rounding. @defaultValue false
   */
  readonly jointGuidance?: boolean;
  readonly signal?: AbortSignal | undefined;
}

/**
 * The velocity of a bidirectional transformer under a batch of prompts, whose keys and values are computed once.
 *
 * @example
 * const velocity = await sampler.textVelocity(nets.teacher, nets.text, prompts, { guidanceScale: 4 });
 * const latents = sampler.euler(velocity, noise, sampler.flowSchedule({ steps: 32, shift: 3 }));
 */
export async function textVelocity(
  net: Part<WanConfig>,
  text: TextEncoder,
  prompts: readonly string[],
  { guidanceScale, negativePrompt = null, jointGuidance = false, signal }: TextGuidance,
): Promise<OwnedVelocity> {
  signal?.throwIfAborted();
  const rows = [await text.encode(prompts)];
  try {
    if (guidanceScale === 1) return partedVelocity(net, rows, 1);
    signal?.throwIfAborted();
    rows.push(await negativeRows(text, negativePrompt, rows[0]!));
    return jointGuidance ? jointVelocity(net, rows, guidanceScale) : partedVelocity(net, rows, guidanceScale);
  } finally {
    tf.dispose(rows);
  }
}

async function negativeRows(text: TextEncoder, prompt: string | null, rows: Tensor): Promise<Tensor> {
  if (prompt === null) return tf.zerosLike(rows);
  const one = await text.encode([prompt]);
  const all = tf.tile(one, [rows.shape[0]!, 1, 1]);
  one.dispose();
  return all;
}

/** The velocity at one timestep for all samples, given as a row each. */
function pass(net: Part<WanConfig>, context: CrossAttnCache): (x: Tensor, t: number) => Tensor {
  return (x, t) => tf.tidy(() => wanForward(net, { x, t: tf.fill([x.shape[0]!], t), context }));
}

function owned(velocity: Velocity, caches: readonly CrossAttnCache[], release?: () => void): OwnedVelocity {
  const dispose = (): void => {
    release?.();
    for (const cache of caches) disposeCache(cache);
  };
  return Object.assign((x: Tensor, t: number, sigma: number) => velocity(x, t, sigma), { dispose });
}

/** One pass for each text, or a single one without guidance. */
function partedVelocity(net: Part<WanConfig>, rows: readonly Tensor[], scale: number): OwnedVelocity {
  const caches = rows.map((each) => createCrossAttnCache(net, each));
  const [conditional, unconditional] = caches.map((cache) => pass(net, cache));
  return owned(unconditional ? guided(conditional!, unconditional, scale) : conditional!, caches);
}

function jointVelocity(net: Part<WanConfig>, rows: readonly Tensor[], scale: number): OwnedVelocity {
  const both = tf.tidy(() => tf.concat(padded(rows))); // [2 B, n, D]
  const cache = createCrossAttnCache(net, both);
  both.dispose();
  const run = (x: Tensor, t: Tensor): Tensor => {
    const twice = wanForward(net, { x: tf.concat([x, x]), t: tf.concat([t, t]), context: cache });
    const [conditional, unconditional] = tf.split(twice, 2) as [Tensor, Tensor];
    return guide(conditional, unconditional, scale);
  };
  // The host's recording of a pass is what takes time in a small network; blocks that are lent cannot be recorded.
  const compiled = net.weights.lend ? null : compile(run);
  const velocity = (x: Tensor, t: number): Tensor =>
    tf.tidy(() => {
      const timesteps = tf.fill([x.shape[0]!], t);
      return compiled ? compiled(x, timesteps) : run(x, timesteps);
    });
  return owned(velocity, [cache], () => compiled?.dispose());
}

/** Text states of one length, the shorter ones filled up with rows of zeros, as the transformer itself fills them up. */
function padded(rows: readonly Tensor[]): Tensor[] {
  const longest = Math.max(...rows.map(({ shape }) => shape[1]!));
  const missing = (each: Tensor): [number, number] => [0, longest - each.shape[1]!];
  return rows.map((each) => (missing(each)[1] === 0 ? each : tf.pad(each, [[0, 0], missing(each), [0, 0]])));
}
