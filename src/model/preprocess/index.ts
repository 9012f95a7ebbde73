export { frameFeatures } from './frame-features.ts';
export { type AxisPlan, type ResampleFilter, resample, resampleMatrix } from './resample.ts';
export { roundHalfEven } from './rounding.ts';
export { framePlans, type ImageTransform, imageTransforms, preprocess, resizeFrames } from './transform.ts';
