/**
 * From prompts to clips: `generate` for every kind of network, and the parts that it is made of: solvers and their
 * schedules, causal rollouts, ODE trajectories. What only the library's other layers need besides is in internal.ts.
 */
export type * from './causal/rollout.ts';
export { cleanContext, rollout, rolloutLatents } from './causal/rollout.ts';
export { type BoundStudent, type CausalStudent, causalStudent, seededNoise } from './causal/student.ts';
export { type GeneratedFrames, generate, generateClips } from './generate/generate.ts';
export { MemoryError, type MemoryPlan, type MemoryRow, planMemory } from './generate/memory-plan.ts';
export { decodeClips } from './generate/pixels.ts';
export type * from './generate/request.ts';
export { latentSize } from './generate/request.ts';
export {
  type DenoisingStepsOptions,
  denoisingSteps,
  flowSchedule,
  type GridOptions,
  type Schedule,
} from './ode/schedule.ts';
export type { NoiseSource, Sampler, SamplerOptions, SamplerStep, Solver, Velocity } from './ode/solver.ts';
export { dpmSolver, euler, fewStep, heun, uniPC } from './ode/solvers.ts';
export { addNoise, type OwnedVelocity, type Sigma, type TextGuidance, textVelocity } from './ode/velocity.ts';
export type * from './trajectories/sampling.ts';
export { sampleTrajectories, statesFor } from './trajectories/sampling.ts';
export type * from './trajectories/store.ts';
export { memoryTrajectories, openTrajectories } from './trajectories/store.ts';
