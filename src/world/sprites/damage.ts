/** What makes pictures of the sprites worse: softness, grain, tears. */
import type { Key } from '../../nn/index.ts';
import type { Scene } from './captions.ts';
import { picture } from './clip.ts';
import { type Point, SIZE, SPRITE } from './motion.ts';
import { ground } from './pictures.ts';

/** A picture [64, 64, 3] under a Gaussian blur of so many pixels, the border repeated. */
export function softened(seen: Float32Array, sigma: number): Float32Array {
  const radius = Math.ceil(3 * sigma);
  const bell = Array.from({ length: 2 * radius + 1 }, (_, i) => Math.exp(-((i - radius) ** 2) / (2 * sigma ** 2)));
  const sum = bell.reduce((total, tap) => total + tap, 0);
  const taps = bell.map((tap) => tap / sum);
  return along(along(seen, taps, 3), taps, 3 * SIZE);
}

/** Filters along the axis whose neighbours are `stride` values apart. */
function along(seen: Float32Array, taps: readonly number[], stride: number): Float32Array {
  const radius = taps.length >> 1;
  return seen.map((_, i) => {
    const place = Math.floor(i / stride) % SIZE;
    return taps.reduce((sum, tap, k) => {
      const to = Math.min(Math.max(place + k - radius, 0), SIZE - 1);
      return sum + tap * seen[i + (to - place) * stride]!;
    }, 0);
  });
}

/** A picture with normal noise, cut to [0, 1]. */
export function grainy(seen: Float32Array, deviation: number, key: Key): Float32Array {
  const grain = key.normal([seen.length]).data;
  return seen.map((value, i) => Math.min(Math.max(value + deviation * grain[i]!, 0), 1));
}

/** Pixels that the parts of a torn thing lie apart. */
const GAPS = [3, 10] as const;

/** A thing with a part of it, cut off across or along, missing or moved away. */
export function torn(scene: Scene, corner: Point, key: Key): Float32Array {
  const whole = picture(scene, () => corner, 0, 0);
  const [cut, gap, side] = ['cut', 'gap', 'side'].map((name) => key.stream(name).uniform([1]).data[0]!);
  const shift = Math.round(GAPS[0] + gap! * (GAPS[1] - GAPS[0])) * (side! < 0.5 ? -1 : 1);
  const other =
    key.stream('missing').uniform([1]).data[0]! < 0.3 ? ground(scene.place) : moved(scene, corner, shift, key);
  const axis = key.stream('across').integer(0, 2) as 0 | 1;
  const edge = Math.round(corner[axis] + SPRITE * (0.3 + 0.4 * cut!));
  return whole.map((value, i) => {
    const place = axis === 0 ? Math.floor(i / 3) % SIZE : Math.floor(i / (3 * SIZE));
    return place < edge ? value : other[i]!;
  });
}

/** The thing farther along either axis. */
function moved(scene: Scene, [x, y]: Point, shift: number, key: Key): Float32Array {
  const inside = (value: number): number => Math.min(Math.max(value, 0), SIZE - SPRITE);
  const to: Point = key.stream('axis').integer(0, 2) === 0 ? [inside(x + shift), y] : [x, inside(y + shift)];
  return picture(scene, () => to, 0, 0);
}
