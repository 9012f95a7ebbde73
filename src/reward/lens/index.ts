export { type Climb, type ClimbOptions, climb, frameGradient } from './gradient.ts';
export { type FrameCurve, frameCurve, type LensOptions, lens, type RewardLens } from './lens.ts';
export { type OcclusionMap, type OcclusionOptions, occlusionMap } from './occlusion.ts';
export type { View } from './view.ts';
