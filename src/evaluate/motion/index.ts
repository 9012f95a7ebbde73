export { brightnessFlicker, diversity, frameDifferences, seamRatio, stillShare } from './differences.ts';
export { trusted } from './occlusion.ts';
export { type MotionOptions, type MotionReport, motionReport } from './report.ts';
export { type InterpolationSmoothness, interpolationSmoothness } from './smoothness.ts';
export { jerk, type Track, tracks } from './tracks.ts';
export { MIN_VALID, type WarpingError, warpingError } from './warping.ts';
