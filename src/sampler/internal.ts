/** What other layers need of the sampler besides its public surface. */
export {
  drawExitSteps,
  lastBlock,
  type SelfRollout,
  type SelfRolloutOptions,
  selfRollout,
} from './causal/self-rollout.ts';
export { type BlockNoise, type BlockRange, blockRanges, blocksOf, sliceFrames } from './causal/student.ts';
export { defaultNegativePrompt, type Settled, settle } from './generate/request.ts';
export { checkSchedule, shiftSigma } from './ode/schedule.ts';
export { guide, guided, velocityToX0 } from './ode/velocity.ts';
