/** What training, and the tests of numbers, need of the sampler besides its public surface. */
export {
  drawExitSteps,
  lastBlock,
  type SelfRollout,
  type SelfRolloutOptions,
  selfRollout,
} from './causal/self-rollout.ts';
export {
  type BlockNoise,
  type BlockOptions,
  type BlockRange,
  blockRanges,
  blocksOf,
  sliceFrames,
} from './causal/student.ts';
export { FlowMatchScheduler, warpTimesteps } from './ode/flow-match-scheduler.ts';
export { guided, perFrame } from './ode/parameterisation.ts';
export { checkSchedule, shiftSigma } from './ode/schedule.ts';
