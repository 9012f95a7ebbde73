/** The solvers: Euler, Heun, the few steps of a distilled student; with a memory of earlier predictions UniPC and DPM-Solver++. */

import type { Tensor } from '../../engine/tf.ts';
import { denoisingSteps, dpmSchedule, flowSchedule, trainingSteps, uniPCSchedule } from './schedule.ts';
import { combine, type Solver, type SolverStep, solver } from './solver.ts';
import { addNoise, velocityToX0 } from './velocity.ts';

const eulerStep: SolverStep = (velocity, { x }, { sigmas, timesteps }, index) => {
  const [sigma, next] = [sigmas[index]!, sigmas[index + 1]!];
  const v = velocity(x, timesteps[index]!, sigma);
  return { x: combine([1, x], [next - sigma, v]), x0: combine([1, x], [-sigma, v]), past: [] };
};

/** Euler's method: `x + (sigma_{i+1} - sigma_i) v`. First order, one call of the network a step. */
export const euler: Solver = solver('euler', flowSchedule, eulerStep);

const heunStep: SolverStep = (velocity, state, schedule, index, noise) => {
  const { sigmas, timesteps } = schedule;
  const [sigma, next] = [sigmas[index]!, sigmas[index + 1]!];
  if (index + 1 === timesteps.length) return eulerStep(velocity, state, schedule, index, noise);
  const { x } = state;
  const v = velocity(x, timesteps[index]!, sigma);
  const probe = combine([1, x], [next - sigma, v]);
  const ahead = velocity(probe, timesteps[index + 1]!, next);
  const half = (next - sigma) / 2;
  return { x: combine([1, x], [half, v], [half, ahead]), x0: combine([1, x], [-sigma, v]), past: [] };
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

/** `ln(1 - sigma) - ln sigma`, half the log signal-to-noise ratio; -Infinity at 1 and Infinity at 0 are meant. */
function lambda(sigma: number): number {
  return Math.log(1 - sigma) - Math.log(sigma);
}

/** Factors of the exponential integrator from level a to b: x_b = scale x_a + gain (1 m_a + correction). */
interface Leap {
  scale: number;
  gain: number;
  h: number;
}

function leap(sigmas: Float64Array, a: number, b: number): Leap {
  const [from, to] = [sigmas[a]!, sigmas[b]!];
  const h = lambda(to) - lambda(from);
  return { scale: to / from, gain: -(1 - to) * Math.expm1(-h), h };
}

/** Distance of the level before a, in units of h. */
function ratio(sigmas: Float64Array, a: number, h: number): number {
  return (lambda(sigmas[a - 1]!) - lambda(sigmas[a]!)) / h;
}

/** Second-order step with x0 predictions: `scale x + gain (m + D / 2)`, D = (m_before - m) / r; first order without m_before. */
function predict(sigmas: Float64Array, index: number, x: Tensor, m: Tensor, before: Tensor | undefined): Tensor {
  const { scale, gain, h } = leap(sigmas, index, index + 1);
  if (!before) return combine([scale, x], [gain, m]);
  const half = 0.5 / ratio(sigmas, index, h);
  return combine([scale, x], [gain * (1 - half), m], [gain * half, before]);
}

/** Weights (rho0 / r, rho1) of the corrector's two differences: UniPC's linear system for B(h) = expm1(-h). */
function correctorWeights(h: number, r: number | null): [number, number] {
  if (r === null) return [0, 0.5];
  const phi = Math.expm1(-h);
  const g1 = phi / -h - 1;
  const g2 = g1 / -h - 0.5;
  const [b1, b2] = [g1 / phi, (2 * g2) / phi];
  const rho0 = (b2 - b1) / (r - 1);
  return [rho0 / r, b1 - rho0];
}

/** Order of the step at `index` of `steps`: grows with the history, falls to 1 before the end. */
function orderAt(index: number, steps: number): 1 | 2 {
  return index >= 1 && steps - index >= 2 ? 2 : 1;
}

const uniPCStep: SolverStep = (velocity, state, { sigmas, timesteps }, index) => {
  const sigma = sigmas[index]!;
  const m = combine([1, state.x], [-sigma, velocity(state.x, timesteps[index]!, sigma)]);
  const [corrected, last, before] = state.past;
  let { x } = state;
  if (corrected && last) {
    const { scale, gain, h } = leap(sigmas, index - 1, index);
    const r = before ? ratio(sigmas, index - 1, h) : null;
    const [past, present] = correctorWeights(h, r);
    const terms: [number, Tensor][] = [
      [scale, corrected],
      [gain * (1 - past - present), last],
      [gain * present, m],
    ];
    x = before ? combine(...terms, [gain * past, before]) : combine(...terms);
  }
  const second = orderAt(index, timesteps.length) === 2;
  return { x: predict(sigmas, index, x, m, second ? last : undefined), x0: m, past: last ? [x, m, last] : [x, m] };
};

/**
 * UniPC of order 2 with B(h) = expm1(-h) on x0 predictions: each sample is corrected once its own prediction is known,
 * then the next one predicted; one call of the network a step. Wan's default solver.
 * Zhao et al. 2023, "UniPC"; Wan2.1 wan/utils/fm_solvers_unipc.py.
 */
export const uniPC: Solver = solver('unipc', uniPCSchedule, uniPCStep);

const dpmStep: SolverStep = (velocity, { x, past }, { sigmas, timesteps }, index) => {
  const sigma = sigmas[index]!;
  const m = combine([1, x], [-sigma, velocity(x, timesteps[index]!, sigma)]);
  const before = orderAt(index, timesteps.length) === 2 ? past[0] : undefined;
  return { x: predict(sigmas, index, x, m, before), x0: m, past: [m] };
};

/**
 * DPM-Solver++ (2M, midpoint) on x0 predictions; one call of the network a step, first order in the first and last.
 * Lu et al. 2022, "DPM-Solver++"; Wan2.1 wan/utils/fm_solvers.py.
 */
export const dpmSolver: Solver = solver('dpm++', dpmSchedule, dpmStep);
