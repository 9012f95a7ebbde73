/** Colourful things that move over places, with captions that leave the amount of motion free, and known motion. */
export {
  caption,
  isHeldOut,
  type Kind,
  type NamedKind,
  PLACES,
  type Place,
  parseCaption,
  type Scene,
  scenes,
  THINGS,
  type Thing,
} from './captions.ts';
export {
  clip,
  type DrawnClip,
  drawClip,
  exposed,
  picture,
  type SpriteOptions,
  type SpriteSettings,
  type SpriteTruth,
} from './clip.ts';
export { type BlurPassedOn, type GateOptions, type SharpnessGate, sharpnessGate } from './gate.ts';
export { spriteMeasures } from './measures.ts';
export { KIND_SHARES, type Motion, type Path, type Point, SIZE, SPRITE } from './motion.ts';
export { PAIR_SHARES, type SpritePairKind, spritePair, spriteTask } from './pairs.ts';
export { ground, sprite } from './pictures.ts';
export { gradientEnergy, sharpnessOf, type Tracked, track } from './tracker.ts';
export { spriteWorld } from './world.ts';
