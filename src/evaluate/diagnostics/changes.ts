/** Slight changes of a picture: what a score loses by them rests on something that no eye sees. */
import { type Key, random } from '../../nn/index.ts';
import { blur, gaussianTaps } from '../flow/plane.ts';
import type { Picture } from './picture.ts';

/** One change of picture `i` of a set, [H, W, 3]. */
export type Change = (picture: Picture, i: number) => Float32Array;

/** Moves by 2 px right and up, a blur of 0.5 px, and noise of 2/255; frames of any size. */
export function slightChanges(seed: number | string): Change[] {
  const key = random.key(seed).stream('robustness');
  return [
    (picture) => moved(picture, 2, 0),
    (picture) => moved(picture, 0, -2),
    (picture) => blurred(picture, 0.5),
    (picture, i) => noisy(picture, 2 / 255, key.stream(i)),
  ];
}

/** The picture moved by whole pixels; the border is repeated. */
function moved({ data, height, width }: Picture, dx: number, dy: number): Float32Array {
  const inside = (at: number, size: number): number => Math.min(Math.max(at, 0), size - 1);
  return Float32Array.from(data, (_, i) => {
    const [x, y] = [Math.floor(i / 3) % width, Math.floor(i / 3 / width)];
    return data[3 * (inside(y - dy, height) * width + inside(x - dx, width)) + (i % 3)]!;
  });
}

function blurred({ data, height, width }: Picture, sigma: number): Float32Array {
  const taps = gaussianTaps(sigma, Math.ceil(3 * sigma));
  const soft = [0, 1, 2].map((c) => {
    const plane = Float32Array.from({ length: height * width }, (_, i) => data[3 * i + c]!);
    return blur({ data: plane, height, width }, taps).data;
  });
  return data.map((_, i) => soft[i % 3]![Math.floor(i / 3)]!);
}

function noisy({ data }: Picture, std: number, key: Key): Float32Array {
  const grain = key.normal([data.length]).data;
  return data.map((value, i) => Math.min(Math.max(value + std * grain[i]!, 0), 1));
}
