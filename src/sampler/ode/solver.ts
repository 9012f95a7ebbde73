/** What a solver is: one step as a function, which the same loop runs at once, a step at a time, or paced. */
import { setImmediate } from 'node:timers/promises';
import { flush } from '../../engine/index.ts';
import { type Tensor, tf } from '../../engine/tf.ts';
import { checkSchedule, type GridOptions, type Schedule } from './schedule.ts';

/** A velocity field: samples of any shape, timestep in 0..1000 and its noise level to d x / d sigma. */
export type Velocity = (x: Tensor, t: number, sigma: number) => Tensor;

/** Fresh noise of the given shape for the re-noising after step `index`. */
export type NoiseSource = (index: number, shape: number[]) => Tensor;

/** What a sampler reports after each step; the tensors live until the callback returns (clone to keep one). */
export interface SamplerStep {
  index: number;
  steps: number;
  t: number;
  sigma: number;
  /** The sample that entered the step. */
  x: Tensor;
  /** The clean sample predicted in this step. */
  x0: Tensor;
  next: Tensor;
}

export interface SamplerOptions {
  onStep?: (step: SamplerStep) => void;
  /** Fresh noise, for solvers that re-noise (`fewStep`); without it they refuse to run. */
  noise?: NoiseSource;
}

/** An ODE sampler: carries x from the first noise level of the schedule to the last. The caller keeps and disposes x. */
export type Sampler = (velocity: Velocity, x: Tensor, schedule: Schedule, options?: SamplerOptions) => Tensor;

/** A sampler as a value: it also runs a step at a time, and knows the grid that it is used with. */
export interface Solver extends Sampler {
  /** Its name in options and provenance. */
  readonly id: string;
  /** The noise levels that it is used with where none are given. */
  grid(options: GridOptions): Schedule;
  /** Yields after each step and returns the result; ended early, it frees what it made. */
  steps(velocity: Velocity, x: Tensor, schedule: Schedule, noise?: NoiseSource): Generator<SamplerStep, Tensor, void>;
}

/** What a solver carries from step to step. */
export interface SolverState {
  x: Tensor;
  /** Earlier predictions, of which the solver knows the meaning. */
  past: Tensor[];
}

/** One step of a solver, from noise level `index` to the next. */
export type SolverStep = (
  velocity: Velocity,
  state: SolverState,
  schedule: Schedule,
  index: number,
  noise: NoiseSource,
) => SolverState & { x0: Tensor };

/** Makes a solver of a step function: runs it over the schedule and frees what no later step needs. */
export function solver(id: string, grid: Solver['grid'], step: SolverStep): Solver {
  const steps: Solver['steps'] = function* (velocity, x, schedule, noise = noNoise) {
    checkSchedule(schedule);
    const count = schedule.timesteps.length;
    let state: SolverState = { x, past: [] };
    let isWhole = false;
    try {
      for (let index = 0; index < count; index++) {
        const { x0, ...next } = tf.tidy(() => ({ ...step(velocity, state, schedule, index, noise) }));
        const before = state;
        state = next;
        const [t, sigma] = [schedule.timesteps[index]!, schedule.sigmas[index]!];
        try {
          yield { index, steps: count, t, sigma, x: before.x, x0, next: next.x };
        } finally {
          release([before.x, ...before.past, x0], [x, next.x, ...next.past]);
        }
      }
      isWhole = true;
      return state.x === x ? x.clone() : state.x;
    } finally {
      release(isWhole ? state.past : [state.x, ...state.past], isWhole ? [x, state.x] : [x]);
    }
  };
  const run: Sampler = (velocity, x, schedule, options = {}) =>
    runSteps(steps(velocity, x, schedule, options.noise), options);
  return Object.assign(run, { id, grid, steps });
}

function noNoise(): never {
  throw new TypeError('noise: wanted a source of fresh noise, which this solver adds after each step; received none');
}

/** Runs steps to their end without a pause. */
export function runSteps(
  steps: Generator<SamplerStep, Tensor, void>,
  { onStep }: Pick<SamplerOptions, 'onStep'> = {},
): Tensor {
  for (;;) {
    const { value, done } = steps.next();
    if (done) return value;
    onStep?.(value);
  }
}

/**
 * Runs steps to their end and lets the process live: each is computed before the next begins, `onStep` may take its time
 * with it, and timers run between. A signal stops it after the step that runs.
 */
export async function paced(
  steps: Generator<SamplerStep, Tensor, void>,
  onStep?: (step: SamplerStep) => void | Promise<void>,
  signal?: AbortSignal,
): Promise<Tensor> {
  try {
    for (;;) {
      signal?.throwIfAborted();
      const { value, done } = steps.next();
      if (done) return value;
      flush();
      await onStep?.(value);
      await setImmediate();
    }
  } finally {
    steps.return(undefined as never);
  }
}

function release(candidates: readonly Tensor[], kept: readonly Tensor[]): void {
  const keep = new Set(kept);
  for (const tensor of new Set(candidates)) if (!keep.has(tensor)) tensor.dispose();
}

/** `sum of factor_i tensor_i`, terms with factor 0 left out. */
export function combine(...terms: readonly (readonly [factor: number, tensor: Tensor])[]): Tensor {
  const used = terms.filter(([factor]) => factor !== 0);
  return tf.tidy(() => used.map(([factor, tensor]) => tensor.mul(factor)).reduce((sum, term) => sum.add(term)));
}
