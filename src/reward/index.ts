export { measureScale, type Scale, standardised, type WeightedPart, weighted } from './combine.ts';
export { createReward, type Reward, type RewardInfo, type RewardParts } from './contract.ts';
export { type FrameChoice, type FrameSelectOptions, frameIndex, frameSelect } from './frame-select.ts';
export { motionReward } from './motion.ts';
export * from './preference/index.ts';
export * from './small/index.ts';
