/**
 * The world of sprites: colourful things that move over places, 64x64 pixels, under captions that leave the amount of
 * motion free. Motion blurs a picture and things may come to rest: a reward of pictures can be had by moving less, or by
 * coming to rest in time.
 */
import type { HostFloats } from '../../nn/index.ts';
import type { Source } from '../../train/index.ts';
import { rewardMeasures } from '../measures.ts';
import { preferenceJudges } from '../preference/index.ts';
import { TRAINING_CLIPS } from '../sources.ts';
import { defineWorld, type World } from '../world.ts';
import { caption, parseCaption, scenes, WORDS } from './captions.ts';
import { spriteClaims } from './claims.ts';
import { clip, drawClip, FPS, picture, type SpriteOptions, type SpriteSettings, type SpriteTruth } from './clip.ts';
import { spriteMeasures } from './measures.ts';
import { SIZE, SPRITE } from './motion.ts';
import { spriteTask } from './pairs.ts';
import { spriteRecipe } from './recipe.ts';

/**
 * The world of sprites.
 *
 * @throws RangeError for a share outside [0, 1] or a number of frames below 2.
 * @example spriteWorld({ rest: 0 }).clip(3).truth // { thing: 'bee', place: 'desert', kind: 'sway', speed: 4.8, ... }
 */
export function spriteWorld(options: SpriteOptions = {}): World<SpriteTruth> {
  const settings = settle(options);
  const identity = { id: 'sprites', options: { ...settings } };
  const judges = preferenceJudges(spriteTask(identity));
  return defineWorld({
    ...identity,
    origin: 'trained on moving pictures of Noto Emoji (Google), Apache-2.0, over places drawn for this package',
    size: { frames: settings.frames, height: SIZE, width: SIZE, fps: FPS },
    words: WORDS,
    captions: scenes('all').map(caption),
    heldOut: scenes('held-out').map(caption),
    clip: (index, draw) => clip(index, draw, settings),
    brief: (prompt) => {
      const { thing, place } = parseCaption(prompt);
      return `${thing}, ${place}`;
    },
    autoencoderSource: (seed) => windows(seed, settings),
    judges,
    measures: [...spriteMeasures, ...rewardMeasures(judges)],
    claims: spriteClaims,
    recipe: spriteRecipe,
  });
}

function settle({ rest = 0.5, frames = 9, shutter = 1 }: SpriteOptions): SpriteSettings {
  for (const [name, share] of Object.entries({ rest, shutter })) {
    if (!(share >= 0 && share <= 1)) throw new RangeError(`${name}: wanted a share from 0 to 1, received ${share}`);
  }
  if (!Number.isInteger(frames) || frames < 2) throw new RangeError(`frames: wanted 2 or more, received ${frames}`);
  return { rest, frames, shutter };
}

/** Side of the square windows that the autoencoder learns from: a thing with some of its place. */
const WINDOW = 32;
/** How far a window's middle lies from the thing's at most, along each axis. */
const OFF_CENTRE = 12;

/** Single pictures [B, 1, 32, 32, 3] in [-1, 1]: windows around the thing of random frames. */
function windows(seed: number | string, settings: SpriteSettings): Source<HostFloats> {
  const size = WINDOW * WINDOW * 3;
  return (key, count) => {
    const data = new Float32Array(count * size);
    const indices = key.stream('clips').integers(0, TRAINING_CLIPS, count);
    const times = key.stream('frames').integers(0, settings.frames, count);
    for (let b = 0; b < count; b++) {
      const { scene, motion } = drawClip(indices[b]!, { seed }, settings);
      const frame = picture(scene, motion.path, times[b]!, settings.shutter);
      const off = key
        .stream('window')
        .stream(b)
        .integers(-OFF_CENTRE, OFF_CENTRE + 1, 2);
      const corner = motion.path(times[b]!).map((low, axis) => windowStart(low, off[axis]!)) as [number, number];
      cut(frame, corner, data.subarray(b * size, (b + 1) * size));
    }
    return { dtype: 'float32', shape: [count, 1, WINDOW, WINDOW, 3], data };
  };
}

function windowStart(low: number, off: number): number {
  return Math.min(Math.max(Math.round(low + (SPRITE - WINDOW) / 2) + off, 0), SIZE - WINDOW);
}

/** Copies a window of a frame in [0, 1], in [-1, 1]. */
function cut(frame: Float32Array, [left, top]: readonly [number, number], out: Float32Array): void {
  for (let y = 0; y < WINDOW; y++) {
    const [from, to] = [3 * ((top + y) * SIZE + left), 3 * y * WINDOW];
    for (let i = 0; i < 3 * WINDOW; i++) out[to + i] = 2 * frame[from + i]! - 1;
  }
}
