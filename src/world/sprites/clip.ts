/** Clips of the sprites: a thing that moves over a place, blurred by its motion as a camera blurs it. */
import type { Clip } from '../../io/index.ts';
import { type Key, random } from '../../nn/index.ts';
import type { ClipDraw, WorldClip } from '../world.ts';
import { caption, type Kind, type Place, parseCaption, type Scene, scenes, type Thing } from './captions.ts';
import { drawMotion, drawNamed, type Motion, type Path, type Point, SIZE, SPRITE } from './motion.ts';
import { ground, PHASES, SPREAD, sprite } from './pictures.ts';

/** Frames per second. */
export const FPS = 8;
/** Moments within one frame's time that are averaged. */
const SUBFRAMES = 8;

/** What is known about a clip. */
export interface SpriteTruth {
  readonly thing: Thing;
  readonly place: Place;
  readonly kind: Kind;
  /** Pixels a frame of the undisturbed motion, 0 for a still thing. */
  readonly speed: number;
  /** When it has come to rest, in frames from the start; null where it never does. */
  readonly rest: number | null;
  /** Centre [x, y] of the thing in the middle of each frame's time, in pixels. */
  readonly path: readonly Point[];
}

/** What the clips of a world of sprites depend on. */
export interface SpriteOptions {
  /** Share of moving clips that slow down and come to rest. @defaultValue 0.5 */
  readonly rest?: number;
  /** Frames of a clip. @defaultValue 9 */
  readonly frames?: number;
  /** Share of a frame's time during which the camera sees: 0 makes no blur, 1 the most. @defaultValue 1 */
  readonly shutter?: number;
}

/** The same, settled. */
export type SpriteSettings = Required<SpriteOptions>;

/** A clip as it was drawn, before anything is painted. */
export interface DrawnClip {
  readonly scene: Scene;
  readonly motion: Motion;
  readonly truth: SpriteTruth;
}

/** What the index-th clip shows, decided by seed, split and index alone, and by the prompt where there is one. */
export function drawClip(index: number, draw: ClipDraw, { rest, frames }: SpriteSettings): DrawnClip {
  const { seed = 0, split = 'train', prompt } = draw;
  const key = random.key(seed).stream('sprites').stream(split).stream(index);
  const scene = prompt === undefined ? drawScene(key, split === 'train' ? 'seen' : 'all') : parseCaption(prompt);
  const { thing, place, named } = scene;
  const motion = drawMotion(key.stream('motion'), named, { restShare: rest, frames });
  const { path, ...known } = motion;
  const centres = Array.from({ length: frames }, (_, frame) => centre(path(frame)));
  return { scene, motion, truth: { thing, place, ...known, path: centres } };
}

/** The index-th clip. */
export function clip(index: number, draw: ClipDraw, settings: SpriteSettings): WorldClip<SpriteTruth> {
  const { scene, motion, truth } = drawClip(index, draw, settings);
  return { clip: filmed(scene, motion.path, settings), caption: caption(scene), truth };
}

/** A thing and a place, each pair as likely as the other, and what the caption names. */
export function drawScene(key: Key, set: 'seen' | 'all'): Scene {
  const pairs = scenes(set).filter(({ named }) => named === null);
  return { ...key.stream('pair').choice(pairs), named: drawNamed(key.stream('caption')) };
}

function centre([x, y]: Point): Point {
  return [x + SPRITE / 2, y + SPRITE / 2];
}

function filmed(scene: Scene, path: Path, { frames, shutter }: SpriteSettings): Clip {
  const data = new Float32Array(frames * SIZE * SIZE * 3);
  for (let frame = 0; frame < frames; frame++) {
    data.set(picture(scene, path, frame, shutter), frame * SIZE * SIZE * 3);
  }
  return { data, frames, height: SIZE, width: SIZE, fps: FPS };
}

/** One frame [64, 64, 3] in [0, 1] of a thing on its path over a place, at any time in frames. */
export function picture(
  { thing, place }: Pick<Scene, 'thing' | 'place'>,
  path: Path,
  time: number,
  shutter: number,
): Float32Array {
  const [light, behind] = [exposed(thing, path, time, shutter), ground(place)];
  const out = new Float32Array(SIZE * SIZE * 3);
  for (let i = 0; i < SIZE * SIZE; i++) {
    const open = Math.max(1 - light[4 * i + 3]!, 0);
    for (let c = 0; c < 3; c++) out[3 * i + c] = Math.min(light[4 * i + c]! + open * behind[3 * i + c]!, 1);
  }
  return out;
}

/**
 * What a camera sees of a moving thing alone: the mean of 8 moments spread evenly over `shutter` of the frame's time,
 * around its middle. Premultiplied RGBA [64, 64, 4] in [0, 1]; the thing stands at quarters of a pixel.
 */
export function exposed(thing: Thing, path: Path, frame: number, shutter: number): Float32Array {
  const light = new Float32Array(SIZE * SIZE * 4);
  for (let moment = 0; moment < SUBFRAMES; moment++) {
    const time = frame + shutter * ((moment + 0.5) / SUBFRAMES - 0.5);
    addSprite(light, thing, path(time), 1 / SUBFRAMES);
  }
  return light;
}

/** Adds a thing with its top left corner at the quarter pixel next to a point; what falls outside is cut. */
function addSprite(light: Float32Array, thing: Thing, [x, y]: Point, share: number): void {
  const [right, down] = [Math.round(x * PHASES), Math.round(y * PHASES)];
  const [left, top] = [Math.floor(right / PHASES), Math.floor(down / PHASES)];
  const picture = sprite(thing, right - left * PHASES, down - top * PHASES);
  const [rows, columns] = [Math.min(SPREAD, SIZE - top), Math.min(SPREAD, SIZE - left)];
  for (let row = 0; row < rows; row++) {
    let from = 4 * row * SPREAD;
    let to = 4 * ((top + row) * SIZE + left);
    for (let i = 0; i < 4 * columns; i++) light[to++]! += picture[from++]! * share;
  }
}
