export { type Climb, type ClimbOptions, climb, frameGradient } from './gradient.ts';
export { type LensOptions, lens, type RewardLens } from './lens.ts';
export type { View } from './looks.ts';
export { type OcclusionMap, type OcclusionOptions, occlusionMap } from './occlusion.ts';
export { type FrameCurve, frameCurve } from './over-time.ts';
