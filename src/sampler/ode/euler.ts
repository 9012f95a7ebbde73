import { combine, type SolverStep, type SteppedSampler, sampler } from './solver.ts';

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
export const euler: SteppedSampler = sampler(eulerStep);

const heunStep: SolverStep = (velocity, state, schedule, index) => {
  const { sigmas, timesteps } = schedule;
  const [sigma, next] = [sigmas[index]!, sigmas[index + 1]!];
  if (index + 1 === timesteps.length) return eulerStep(velocity, state, schedule, index);
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
export const heun: SteppedSampler = sampler(heunStep);
