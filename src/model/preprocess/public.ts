/** `model.images`: how pictures are prepared for image towers. */
export { type AxisPlan, type ResampleFilter, resample } from './resample.ts';
export {
  frameFeatures,
  type ImageTransform,
  imageTransforms as transforms,
  preprocess,
  resizeFrames,
} from './transform.ts';
