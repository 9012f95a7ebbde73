import { type Tensor, tf } from '../../engine/tf.ts';
import { fewStepSteps } from '../ode/few-step.ts';
import { addNoise } from '../ode/parameterisation.ts';
import type { Schedule } from '../ode/schedule.ts';
import { runSteps, type SamplerStep } from '../ode/solver.ts';
import type { BlockNoise, CausalStudent } from './causal-student.ts';

/** How a finished block enters the cache. */
export interface ContextNoise {
  /** Timestep at which the network sees the block. */
  t: number;
  /**
   * Noise level to which the block is re-noised first: 0 in inference. Self-Forcing's training rollout uses the
   * table's entry for t, which for t = 0 is small but not 0.
   */
  sigma: number;
}

/** What every rollout needs beside the student and its initial noise. */
export interface RolloutOptions {
  /** Denoising steps, see `denoisingSteps`. */
  schedule: Schedule;
  /** Fresh noise; `step` counts the denoising steps, the context pass asks for step = number of steps. */
  renoise: BlockNoise;
  /** Default: clean context at timestep 0. */
  context?: ContextNoise;
  /** Stops before the next step (in training rollouts the next block) with the signal's reason. */
  signal?: AbortSignal;
  onStep?: (step: SamplerStep & { block: number }) => void;
}

/** Clean context at timestep 0. */
export const cleanContext: ContextNoise = { t: 0, sigma: 0 };

/** A block to generate: x [B, f, H, W, C] at the first level of the schedule, and the cache of its past. */
export interface NoisyBlock<Cache> {
  readonly index: number;
  readonly x: Tensor;
  readonly cache: Cache;
}

/** Few-step sampling of one block through the first `steps` levels of the schedule (default all) to its x0. */
export function generateBlock<Cache>(
  student: CausalStudent<Cache>,
  block: NoisyBlock<Cache>,
  options: RolloutOptions,
  steps?: number,
): Tensor {
  const { onStep } = options;
  return runSteps(blockSteps(student, block, options, steps), {
    ...(onStep && { onStep: (step) => onStep({ ...step, block: block.index }) }),
  });
}

/** {@link generateBlock} a step at a time. */
export function blockSteps<Cache>(
  student: CausalStudent<Cache>,
  { index, x, cache }: NoisyBlock<Cache>,
  { schedule, renoise }: RolloutOptions,
  steps: number = schedule.timesteps.length,
): Generator<SamplerStep, Tensor, void> {
  return fewStepSteps((sample, t) => student.velocity(sample, t, cache), x, firstSteps(schedule, steps), {
    noise: (step, shape) => renoise(index, step, shape),
  });
}

/** The first `count` steps of a few-step schedule, after which x0 is taken. */
function firstSteps({ sigmas, timesteps }: Schedule, count: number): Schedule {
  const kept = new Float64Array(count + 1);
  kept.set(sigmas.subarray(0, count));
  return { sigmas: kept, timesteps: timesteps.subarray(0, count) };
}

/** Context pass: the cache with block `index` appended, re-noised first if the context asks for it. */
export function rememberBlock<Cache>(
  student: CausalStudent<Cache>,
  block: { index: number; x0: Tensor; cache: Cache },
  { schedule, renoise, context = cleanContext }: RolloutOptions,
): Cache {
  const { index, x0, cache } = block;
  const { t, sigma } = context;
  if (sigma === 0) return student.remember(x0, t, cache);
  const seen = tf.tidy(() => addNoise(x0, renoise(index, schedule.timesteps.length, x0.shape), sigma));
  const next = student.remember(seen, t, cache);
  seen.dispose();
  return next;
}
