/**
 * From prompts to clips: `generate` for every kind of network, and the parts that it is made of: solvers and their
 * schedules, causal rollouts, ODE trajectories. What only the library's other layers need besides is in internal.ts.
 */
export {
  type BlockStep,
  type ContextNoise,
  cleanContext,
  type RolloutBlock,
  type RolloutOptions,
  rollout,
  rolloutLatents,
  type SamplingOptions,
} from './causal/rollout.ts';
export { type BoundStudent, type CausalStudent, causalStudent, seededNoise } from './causal/student.ts';
export { type GeneratedFrames, generate, generateClips } from './generate/generate.ts';
export { MemoryError, type MemoryPlan, type MemoryRow, planMemory } from './generate/memory-plan.ts';
export { decodeClips } from './generate/pixels.ts';
export {
  type GenerateRequest,
  type GenerateSettings,
  type GenerateStep,
  type LatentSize,
  latentSize,
  type PlannedModel,
  type Preview,
  type VideoModel,
} from './generate/request.ts';
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
export {
  sampleTrajectories,
  statesFor,
  type TrajectoryJob,
  type TrajectoryProgress,
  type TrajectorySampling,
} from './trajectories/sampling.ts';
export {
  memoryTrajectories,
  openTrajectories,
  type StoredTrajectory,
  type TrajectoryRecord,
  type TrajectoryStore,
} from './trajectories/store.ts';
