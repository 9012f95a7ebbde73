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
export {
  type BoundStudent,
  type CausalStudent,
  causalStudent,
  seededNoise,
} from './causal/student.ts';
export { type GeneratedFrames, generate, generateClips } from './generate/generate.ts';
export { MemoryError, type MemoryPlan, type MemoryRow, planMemory } from './generate/memory-plan.ts';
export { decodeClips } from './generate/pixels.ts';
export {
  defaultNegativePrompt,
  type GenerateRequest,
  type GenerateSettings,
  type GenerateStep,
  type LatentSize,
  latentSize,
  type PlannedModel,
  type Preview,
  type Settled,
  settle,
  type VideoModel,
} from './generate/request.ts';
export { type DenoisingStepsOptions, denoisingSteps } from './ode/flow-match-scheduler.ts';
export { dpmSolver, uniPC } from './ode/multistep.ts';
export { addNoise, guide, type Sigma, velocityToX0, x0ToVelocity } from './ode/parameterisation.ts';
export {
  dpmSchedule,
  eulerDiscreteSchedule,
  flowSchedule,
  type GridOptions,
  type Schedule,
  uniPCDiffusersSchedule,
  uniPCSchedule,
} from './ode/schedule.ts';
export type { NoiseSource, Sampler, SamplerOptions, SamplerStep, Solver, Velocity } from './ode/solver.ts';
export { euler, fewStep, heun } from './ode/solvers.ts';
export { type OwnedVelocity, type TextGuidance, textVelocity } from './ode/text-velocity.ts';
export {
  odeTrajectory,
  sampleTrajectories,
  statesFor,
  type Trajectory,
  type TrajectoryJob,
  type TrajectoryOptions,
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
