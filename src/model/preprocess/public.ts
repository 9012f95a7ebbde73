/** `model.images`: how pictures are prepared for image towers. */
export {
  type ImageTransform,
  imageTransforms as transforms,
  preprocess,
  type ResampleFilter,
} from './preprocess.ts';
