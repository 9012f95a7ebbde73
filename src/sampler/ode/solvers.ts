/** Solvers without a memory of earlier steps: Euler, Heun, and the few steps of a distilled student. */
import { denoisingSteps } from './flow-match-scheduler.ts';
import { addNoise, velocityToX0 } from './parameterisation.ts';
import { flowSchedule, trainingSteps } from './schedule.ts';
import { combine, type Solver, type SolverStep, solver } from './solver.ts';

const eulerStep: SolverStep = (velocity, { x }, { sigmas, timesteps }, index) => {
  const [sigma, next] = [sigmas[index]!, sigmas[index + 1]!];
  const v = velocity(x, timesteps[index]!, sigma);
  return {
    x: combine([
      [1, x],
      [next - sigma, v],
    ]),
    x0: combine([
      [1, x],
      [-sigma, v],
    ]),
    past: [],
  };
};

/** Euler's method: `x + (sigma_{i+1} - sigma_i) v`. First order, one call of the network a step. */
export const euler: Solver = solver('euler', flowSchedule, eulerStep);

const heunStep: SolverStep = (velocity, state, schedule, index, noise) => {
  const { sigmas, timesteps } = schedule;
  const [sigma, next] = [sigmas[index]!, sigmas[index + 1]!];
  if (index + 1 === timesteps.length) return eulerStep(velocity, state, schedule, index, noise);
  const { x } = state;
  const v = velocity(x, timesteps[index]!, sigma);
  const probe = combine([
    [1, x],
    [next - sigma, v],
  ]);
  const ahead = velocity(probe, timesteps[index + 1]!, next);
  const half = (next - sigma) / 2;
  return {
    x: combine([
      [1, x],
      [half, v],
      [half, ahead],
    ]),
    x0: combine([
      [1, x],
      [-sigma, v],
    ]),
    past: [],
  };
};

/** Heun's method: Euler, then the mean of both ends' velocities (Karras et al. 2022). Second order, two calls a step. */
export const heun: Solver = solver('heun', flowSchedule, heunStep);

const fewStepStep: SolverStep = (velocity, { x }, { sigmas, timesteps }, index, noise) => {
  const sigma = sigmas[index]!;
  const x0 = velocityToX0(x, velocity(x, timesteps[index]!, sigma), sigma);
  const isLast = index + 1 === timesteps.length;
  return { x: isLast ? x0 : addNoise(x0, noise(index, x.shape), sigmas[index + 1]!), x0, past: [] };
};

/**
 * Few-step sampling of a distilled student: predict x0, add fresh noise at the next level, repeat.
 * The result is the last step's x0: `x0_j = x - sigma_j v`, `x = (1 - sigma_{j+1}) x0_j + sigma_{j+1} noise_j`.
 * Its grid is that of Self-Forcing, 1000, 750, 500, 250 for four steps, warped; see `denoisingSteps` for other lists.
 * Source: consistency models (Song et al. 2023), Self-Forcing pipeline/causal_inference.py.
 *
 * @throws TypeError without `noise`.
 */
export const fewStep: Solver = solver(
  'few-step',
  ({ steps, shift }) => denoisingSteps(evenSteps(steps), { shift }),
  fewStepStep,
);

/** `count` nominal timesteps from 1000 down, evenly spaced, in whole numbers. */
function evenSteps(count: number): number[] {
  const { timesteps } = flowSchedule({ steps: count, shift: 1 });
  return Array.from(timesteps, (t) => Math.min(trainingSteps, Math.round(t)));
}
