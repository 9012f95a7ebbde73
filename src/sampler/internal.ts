/** What training, and the tests of numbers, need of the sampler besides its public surface. */
export {
  type BlockNoise,
  type BlockRange,
  blockRanges,
  blocksOf,
  drawExitSteps,
  lastBlock,
  type SelfRollout,
  type SelfRolloutOptions,
  selfRollout,
  sliceFrames,
} from './causal/index.ts';
export { checkSchedule, FlowMatchScheduler, guided, perFrame, shiftSigma, warpTimesteps } from './ode/index.ts';
