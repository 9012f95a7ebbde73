/** Preference pairs of the sprites: a crisp and whole thing that the caption names, against one that lacks something. */
import type { Key } from '../../nn/index.ts';
import type { PairSide, PreferencePair, PreferenceTask, ShownPicture } from '../preference/index.ts';
import type { Split, WorldIdentity } from '../world.ts';
import { caption, PLACES, type Scene, THINGS, WORDS } from './captions.ts';
import { drawScene, picture } from './clip.ts';
import { grainy, softened, torn } from './damage.ts';
import { type Path, type Point, SIZE, SPRITE } from './motion.ts';

/** What the worse side of a pair lacks. */
export type SpritePairKind = 'caption thing' | 'caption place' | 'image thing' | 'moving' | 'soft' | 'grainy' | 'torn';

/** How often each kind of pair is drawn. */
export const PAIR_SHARES: Readonly<Record<SpritePairKind, number>> = {
  'caption thing': 0.15,
  'caption place': 0.1,
  'image thing': 0.15,
  moving: 0.25,
  soft: 0.1,
  grainy: 0.1,
  torn: 0.15,
};

/** Px a frame of things that are blurred by their motion. */
const SPEEDS = [1, 5] as const;
/** Deviation of the noise of every picture at most, which leaves it easy to see. */
const MILD = 0.04;
const HIGH = SIZE - SPRITE;

/**
 * One pair, drawn from `key` alone. Caption kinds show the same picture under a caption with another thing or place; all
 * others show the caption's thing elsewhere: another thing, one blurred by motion or by a lens, a noisy one, a torn one.
 */
export function spritePair(key: Key, split: Split = 'train'): PreferencePair {
  const kind = drawKind(key.stream('kind'));
  const scene = drawScene(key.stream('scene'), split === 'train' ? 'seen' : 'all');
  const better = side(scene, still(scene, key.stream('better')), scene);
  if (kind === 'caption thing' || kind === 'caption place') {
    return { kind, better, worse: { ...better, caption: caption(changed(scene, kind, key.stream('other'))) } };
  }
  const shown = kind === 'image thing' ? changed(scene, 'caption thing', key.stream('other')) : scene;
  return { kind, better, worse: side(shown, damaged(kind, shown, key.stream('worse')), scene) };
}

function drawKind(key: Key): SpritePairKind {
  let left = draw(key, 'of');
  for (const [kind, share] of Object.entries(PAIR_SHARES)) {
    left -= share;
    if (left < 0) return kind as SpritePairKind;
  }
  return 'torn';
}

function changed(scene: Scene, kind: 'caption thing' | 'caption place', key: Key): Scene {
  return kind === 'caption thing'
    ? { ...scene, thing: key.choice(THINGS.filter((thing) => thing !== scene.thing)) }
    : { ...scene, place: key.choice(PLACES.filter((place) => place !== scene.place)) };
}

function side(shown: Scene, seen: Float32Array, said: Scene): PairSide {
  return { picture: seen, shown: classes(shown), caption: caption(said) };
}

function classes({ thing, place }: Pick<Scene, 'thing' | 'place'>): ShownPicture['shown'] {
  return { thing: THINGS.indexOf(thing), place: PLACES.indexOf(place) };
}

/** A thing at rest anywhere, with mild noise. */
function still(scene: Scene, key: Key): Float32Array {
  const corner = anywhere(key);
  return mildly(
    picture(scene, () => corner, 0, 0),
    key,
  );
}

function damaged(kind: SpritePairKind, scene: Scene, key: Key): Float32Array {
  switch (kind) {
    case 'moving':
      return mildly(picture(scene, passing(key), 0, 1), key);
    case 'soft':
      return mildly(softened(still(scene, key), draw(key, 'blur', 0.5, 1.5)), key);
    case 'grainy':
      return grainy(still(scene, key), draw(key, 'noise', 0.06, 0.2), key.stream('more'));
    case 'torn':
      return mildly(torn(scene, anywhere(key), key.stream('tear')), key);
    default:
      return still(scene, key);
  }
}

function mildly(seen: Float32Array, key: Key): Float32Array {
  return grainy(seen, draw(key, 'mild', 0, MILD), key.stream('grain'));
}

/** A thing that passes through a place within the frame, in any direction. */
function passing(key: Key): Path {
  const [x, y] = anywhere(key);
  const [speed, angle] = [draw(key, 'speed', ...SPEEDS), draw(key, 'angle', 0, 2 * Math.PI)];
  const inside = (value: number): number => Math.min(Math.max(value, 0), HIGH);
  return (time) => [inside(x + speed * Math.cos(angle) * time), inside(y + speed * Math.sin(angle) * time)];
}

function anywhere(key: Key): Point {
  return [draw(key, 'x', 0, HIGH), draw(key, 'y', 0, HIGH)];
}

function draw(key: Key, name: string, low: number = 0, high: number = 1): number {
  return key.stream(name).uniform([1], low, high).data[0]!;
}

/** What preference judges learn on the sprites. */
export function spriteTask(world: WorldIdentity): PreferenceTask {
  return {
    world,
    words: WORDS,
    size: SIZE,
    attributes: { thing: THINGS.length, place: PLACES.length },
    picture: (key, split) => {
      const scene = drawScene(key.stream('scene'), split === 'train' ? 'seen' : 'all');
      const isMoving = draw(key, 'moving') < 0.5;
      return { picture: damaged(isMoving ? 'moving' : 'image thing', scene, key), shown: classes(scene) };
    },
    pair: spritePair,
  };
}
