/** Real MNIST digits, coloured and moving over small frames, with captions and known motion. */
export {
  COLOUR_NAMES,
  COLOURS,
  type Colour,
  caption,
  DIRECTION_NAMES,
  DIRECTIONS,
  type Direction,
  isHeldOut,
  type Label,
  labels,
  NUMBERS,
  parseCaption,
  SPEED_NAMES,
  SPEEDS,
  type Speed,
} from './captions.ts';
export {
  CLASSIFIER,
  type ClassifierConfig,
  type ClassifierOptions,
  classifier,
  classifierForward,
  classify,
  trainClassifier,
} from './classifier.ts';
export { type ClipOptions, clip, type DigitClip, FPS, FRAMES, paint, SIZE, velocity } from './clip.ts';
export { EXEMPLAR_SIZE, exemplar, exemplarCount } from './exemplars.ts';
export {
  type CaptionFidelity,
  type ClipFidelity,
  captionFidelity,
  centroids,
  type DigitMotion,
  digitColour,
  digitMotion,
} from './fidelity.ts';
export { motionReward } from './motion-reward.ts';
export { type DigitPair, type DigitSide, digitPair, digitTask, PAIR_SHARES, type PairKind } from './pairs.ts';
export { blurred, type Damage, damaged, mildDamage, picture, pictures } from './pictures.ts';
export { type DigitOptions, digitWorld } from './world.ts';
