/** How the sprites move: drifting, hopping, swaying or not at all, at any speed, and coming to rest or not. */
import type { Key } from '../../nn/index.ts';
import { type Kind, NAMED_KINDS, type NamedKind } from './captions.ts';

/** Side of a thing in pixels. */
export const SPRITE = 26;
/** Side of a frame in pixels. */
export const SIZE = 64;
/** The largest coordinate of a thing's top left corner. */
const HIGH = SIZE - SPRITE;

/** [x, y] in pixels, x right and y down. */
export type Point = readonly [x: number, y: number];

/** Top left corner of a thing by time in frames; any real time. */
export type Path = (time: number) => Point;

/** A motion as it was drawn. */
export interface Motion {
  readonly kind: Kind;
  /** Pixels a frame of the undisturbed motion, 0 for a still thing; a hop and a sway are slower in the mean. */
  readonly speed: number;
  /** When it has come to rest, in frames from the start; null where it never does. */
  readonly rest: number | null;
  readonly path: Path;
}

/** Share of all clips that each kind of motion has. */
export const KIND_SHARES: Readonly<Record<Kind, number>> = { still: 0.15, drift: 0.39, hop: 0.24, sway: 0.22 };
/** Share of moving clips whose caption names the kind. */
const NAMED_SHARE = 0.3;
/** Pixels a frame of moving things. */
const SPEEDS = [0.5, 5] as const;
/** When things that come to rest do so, as a share of the clip. */
const REST_TIMES = [0.5, 0.9] as const;
/** How much faster than their speed things start that come to rest. */
const HEAD_START = 1.6;

/** What a caption names: with a chance of 30 % the kind of a moving clip. */
export function drawNamed(key: Key): NamedKind | null {
  const isNamed = draw(key, 'named') < NAMED_SHARE * (1 - KIND_SHARES.still);
  return isNamed ? weighted(key.stream('kind'), NAMED_KINDS, (kind) => KIND_SHARES[kind]) : null;
}

/**
 * A motion under a caption that names this kind, or none: then any kind, moving ones less often by those that captions
 * name, so that over all captions the shares are {@link KIND_SHARES}.
 */
export function drawMotion(
  key: Key,
  named: NamedKind | null,
  { restShare, frames }: { readonly restShare: number; readonly frames: number },
): Motion {
  const unnamed = (kind: Kind): number => KIND_SHARES[kind] * (kind === 'still' ? 1 : 1 - NAMED_SHARE);
  const kind = named ?? weighted(key.stream('kind'), ['still', ...NAMED_KINDS], unnamed);
  if (kind === 'still') return { kind, speed: 0, rest: null, path: paths.still(key.stream('path'), 0) };
  const speed = draw(key, 'speed', ...SPEEDS);
  const path = paths[kind](key.stream('path'), speed);
  if (draw(key, 'rests') >= restShare) return { kind, speed, rest: null, path };
  const rest = draw(key, 'rest', ...REST_TIMES) * (frames - 1);
  return { kind, speed, rest, path: resting(path, rest) };
}

/** The same path, run along ever more slowly: from 1.6 times the speed evenly down to none at time `rest`. */
function resting(path: Path, rest: number): Path {
  return (time) => {
    const passed = Math.min(Math.max(time, 0) / rest, 1);
    return path(HEAD_START * rest * (passed - passed ** 2 / 2));
  };
}

const paths: Readonly<Record<Kind, (key: Key, speed: number) => Path>> = { still, drift, hop, sway };

function still(key: Key): Path {
  const place: Point = [draw(key, 'x', 0, HIGH), draw(key, 'y', 0, HIGH)];
  return () => place;
}

/** Straight on in any direction, reflected at the border. */
function drift(key: Key, speed: number): Path {
  const [x, y] = still(key)(0);
  const angle = draw(key, 'angle', 0, 2 * Math.PI);
  const [vx, vy] = [speed * Math.cos(angle), speed * Math.sin(angle)];
  return (time) => [reflected(x + vx * time), reflected(y + vy * time)];
}

/** Parabolas over a floor, each of 6 to 10 frames and as high as a quarter of what the speed makes in that time. */
function hop(key: Key, speed: number): Path {
  const period = draw(key, 'period', 6, 10);
  const height = (speed * period) / 4;
  const floor = HIGH - draw(key, 'floor', 0, 0.6) * (HIGH - height);
  const vx = draw(key, 'along', -0.5, 0.5) * speed;
  const x = draw(key, 'x', 0, HIGH);
  const start = draw(key, 'start');
  return (time) => {
    const since = time / period + start;
    const phase = since - Math.floor(since);
    return [reflected(x + vx * time), floor - 4 * height * phase * (1 - phase)];
  };
}

/** To and fro, a sine of 8 to 16 frames whose largest speed is the given one. */
function sway(key: Key, speed: number): Path {
  const period = draw(key, 'period', 8, 16);
  const reach = Math.min((speed * period) / (2 * Math.PI), HIGH / 2);
  const [middle, y] = [draw(key, 'x', reach, HIGH - reach), draw(key, 'y', 0, HIGH)];
  const start = draw(key, 'start', 0, 2 * Math.PI);
  return (time) => [middle + reach * Math.sin((2 * Math.PI * time) / period + start), y];
}

/** A coordinate as if walls at 0 and at the far end threw it back. */
function reflected(value: number): number {
  const turn = value - 2 * HIGH * Math.floor(value / (2 * HIGH));
  return turn > HIGH ? 2 * HIGH - turn : turn;
}

function draw(key: Key, name: string, low: number = 0, high: number = 1): number {
  return key.stream(name).uniform([1], low, high).data[0]!;
}

function weighted<T>(key: Key, items: readonly T[], weight: (item: T) => number): T {
  let left = draw(key, 'of') * items.reduce((sum, item) => sum + weight(item), 0);
  for (const item of items) {
    left -= weight(item);
    if (left < 0) return item;
  }
  return items.at(-1)!;
}
