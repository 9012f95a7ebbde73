/** `model.images`: what image towers want of pictures. */
export { type AxisPlan, type ResampleFilter, resample } from './resample.ts';
export {
  frameFeatures,
  type ImageTransform,
  imageTransforms as transforms,
  preprocess,
  resizeFrames,
} from './transform.ts';
