import { type Tensor, tf } from '../../engine/tf.ts';
import { NoiseTable } from './noise-table.ts';
import { addNoise, velocityToX0 } from './parameterisation.ts';
import { checkSchedule, type Schedule, trainingSteps } from './schedule.ts';
import { runSteps, type SamplerOptions, type SamplerStep, type Velocity } from './solver.ts';

/** Which steps a few-step student takes. */
export interface DenoisingStepsOptions {
  /** Timestep shift of the student's noise table. */
  shift: number;
  /** Whether the nominal list is warped through the table, as Self-Forcing does (`warp_denoising_step`). */
  warp?: boolean;
}

/**
 * Schedule of a nominal list such as [1000, 750, 500, 250] (a trailing 0 means "clean" and is dropped).
 * Warped: nominal n becomes the table's entry 1000 - n, that is 1000 shift(n / 1000); shift 5 gives
 * 1000, 937.5, 833.33, 625. Noise levels are the table's. Source: Self-Forcing pipeline/causal_inference.py.
 */
export function denoisingSteps(list: readonly number[], { shift, warp = true }: DenoisingStepsOptions): Schedule {
  const nominal = list.at(-1) === 0 ? list.slice(0, -1) : list;
  const table = new NoiseTable({ shift });
  const timesteps = Float64Array.from(warp ? warpTimesteps(nominal, table) : nominal);
  const sigmas = new Float64Array(nominal.length + 1);
  sigmas.set(timesteps.map((t) => table.sigmaOf(t)));
  const schedule = { sigmas, timesteps };
  checkSchedule(schedule);
  return schedule;
}

/** The table's timestep of each nominal value (index 1000 - value; 0 stays 0). */
export function warpTimesteps(nominal: readonly number[], table: NoiseTable): number[] {
  return nominal.map((value) => {
    if (Number.isInteger(value) && value >= 0 && value <= trainingSteps)
      return table.timesteps[trainingSteps - value] ?? 0;
    throw new RangeError(`denoising steps must be whole numbers in 0..1000 to be warped, received ${value}`);
  });
}

/** Fresh noise of the given shape for the re-noising after step `index`. */
export type NoiseSource = (index: number, shape: number[]) => Tensor;

/** Options of the few-step sampler. */
export interface FewStepOptions extends SamplerOptions {
  noise: NoiseSource;
}

/**
 * Few-step sampling of a distilled student: predict x0, add fresh noise at the next level, repeat.
 * The result is the last step's x0: `x0_j = x - sigma_j v`, `x = (1 - sigma_{j+1}) x0_j + sigma_{j+1} noise_j`.
 * Source: consistency models (Song et al. 2023), Self-Forcing pipeline/causal_inference.py.
 */
export function fewStep(velocity: Velocity, x: Tensor, schedule: Schedule, options: FewStepOptions): Tensor {
  return runSteps(fewStepSteps(velocity, x, schedule, options), options);
}

/** {@link fewStep} a step at a time: yields after each step and returns the result; ended early, it frees what it made. */
export function* fewStepSteps(
  velocity: Velocity,
  x: Tensor,
  schedule: Schedule,
  { noise }: Pick<FewStepOptions, 'noise'>,
): Generator<SamplerStep, Tensor, void> {
  checkSchedule(schedule);
  const steps = schedule.timesteps.length;
  let current = x;
  for (let index = 0; index < steps; index++) {
    const [t, sigma] = [schedule.timesteps[index]!, schedule.sigmas[index]!];
    const x0 = tf.tidy(() => velocityToX0(current, velocity(current, t, sigma), sigma));
    const last = index + 1 === steps;
    const next = last ? x0 : tf.tidy(() => addNoise(x0, noise(index, x.shape), schedule.sigmas[index + 1]!));
    let isWhole = false;
    try {
      yield { index, steps, t, sigma, x: current, x0, next };
      isWhole = true;
    } finally {
      if (current !== x) current.dispose();
      if (!last) x0.dispose();
      if (!isWhole) next.dispose();
    }
    current = next;
  }
  return current;
}
