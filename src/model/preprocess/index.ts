export { type ResampleFilter, resample, resampleMatrix } from './resample.ts';
export {
  frameFeatures,
  framePlans,
  type ImageTransform,
  imageTransforms,
  preprocess,
  resizeFrames,
  roundHalfEven,
} from './transform.ts';
