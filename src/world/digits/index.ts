export { batch, type ClipOptions, clip, type DigitBatch, type DigitClip, FPS, FRAMES, velocity } from './clip.ts';
export { blurred, type Damage, damaged } from './damage.ts';
export { EXEMPLAR_SIZE, exemplar, exemplarCount, type Split } from './exemplars.ts';
export { mildDamage, type PictureBatch, type PictureOptions, picture, pictures } from './pictures.ts';
export { isHeldOut, labels, type PromptSet, prompts } from './prompts.ts';
export { glyphCentroid, paint, SIZE } from './render.ts';
export {
  COLOUR_NAMES,
  COLOURS,
  type Colour,
  caption,
  DIRECTION_NAMES,
  DIRECTIONS,
  type Direction,
  type Label,
  NUMBERS,
  parseCaption,
  SPEED_NAMES,
  SPEEDS,
  type Speed,
  tokenize,
  VOCABULARY,
} from './vocabulary.ts';
