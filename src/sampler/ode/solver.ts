import { type Tensor, tf } from '../../engine/tf.ts';
import { checkSchedule, type Schedule } from './schedule.ts';

/** A velocity field: samples of any shape, timestep in 0..1000 and its noise level to d x / d sigma. */
export type Velocity = (x: Tensor, t: number, sigma: number) => Tensor;

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
  /** The sample after the step. */
  next: Tensor;
}

/** Options that every sampler knows. */
export interface SamplerOptions {
  onStep?: (step: SamplerStep) => void;
}

/** An ODE sampler: carries x from the first noise level of the schedule to the last. The caller keeps and disposes x. */
export type Sampler = (velocity: Velocity, x: Tensor, schedule: Schedule, options?: SamplerOptions) => Tensor;

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
) => SolverState & { x0: Tensor };

/** A sampler that also runs a step at a time, for callers that do something else in between. */
export interface SteppedSampler extends Sampler {
  /** Yields after each step and returns the result; ended early, it frees what it made. */
  steps(velocity: Velocity, x: Tensor, schedule: Schedule): Generator<SamplerStep, Tensor, void>;
}

/** Makes a sampler of a step function: runs it over the schedule and frees what no later step needs. */
export function sampler(step: SolverStep): SteppedSampler {
  const steps = (velocity: Velocity, x: Tensor, schedule: Schedule) => solverSteps(step, velocity, x, schedule);
  const run: Sampler = (velocity, x, schedule, options) => runSteps(steps(velocity, x, schedule), options);
  return Object.assign(run, { steps });
}

/** Runs steps to their end without a pause. */
export function runSteps(steps: Generator<SamplerStep, Tensor, void>, { onStep }: SamplerOptions = {}): Tensor {
  for (;;) {
    const { value, done } = steps.next();
    if (done) return value;
    onStep?.(value);
  }
}

function* solverSteps(
  step: SolverStep,
  velocity: Velocity,
  x: Tensor,
  schedule: Schedule,
): Generator<SamplerStep, Tensor, void> {
  checkSchedule(schedule);
  const steps = schedule.timesteps.length;
  let state: SolverState = { x, past: [] };
  let isWhole = false;
  try {
    for (let index = 0; index < steps; index++) {
      const { x0, ...next } = tf.tidy(() => ({ ...step(velocity, state, schedule, index) }));
      const before = state;
      state = next;
      const [t, sigma] = [schedule.timesteps[index]!, schedule.sigmas[index]!];
      try {
        yield { index, steps, t, sigma, x: before.x, x0, next: next.x };
      } finally {
        release([before.x, ...before.past, x0], [x, next.x, ...next.past]);
      }
    }
    isWhole = true;
    return state.x === x ? x.clone() : state.x;
  } finally {
    release(isWhole ? state.past : [state.x, ...state.past], isWhole ? [x, state.x] : [x]);
  }
}

/** Disposes the tensors of `candidates` that are not among `kept`. */
function release(candidates: readonly Tensor[], kept: readonly Tensor[]): void {
  const keep = new Set(kept);
  for (const tensor of new Set(candidates)) if (!keep.has(tensor)) tensor.dispose();
}

/** `sum of factor_i tensor_i`, terms with factor 0 left out. */
export function combine(terms: readonly (readonly [factor: number, tensor: Tensor])[]): Tensor {
  const used = terms.filter(([factor]) => factor !== 0);
  return tf.tidy(() => used.map(([factor, tensor]) => tensor.mul(factor)).reduce((sum, term) => sum.add(term)));
}
