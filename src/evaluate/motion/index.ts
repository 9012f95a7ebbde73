export {
  brightnessFlicker,
  diversity,
  frameDifferences,
  jerk,
  type MotionOptions,
  type MotionReport,
  motionReport,
  seamRatio,
  stillShare,
  type Track,
  tracks,
} from './report.ts';
export {
  type InterpolationSmoothness,
  interpolationSmoothness,
  MIN_VALID,
  trusted,
  type WarpingError,
  warpingError,
  warpingErrorAlong,
} from './warping.ts';
