import type { Flow } from '../flow/lucas-kanade.ts';
import { sample } from '../flow/plane.ts';

/** A point followed through a clip: [x, y] in each frame. */
export type Track = [number, number][];

/** Points on a grid of `stride` pixels followed through the flow (bilinear); those that lose texture or leave are dropped. */
export function tracks(flows: readonly Flow[], stride: number = 8): Track[] {
  const [first] = flows;
  if (first === undefined) throw new RangeError('tracks got no flow; want one per frame pair');
  const found: Track[] = [];
  for (let y = stride / 2; y < first.height; y += stride) {
    for (let x = stride / 2; x < first.width; x += stride) {
      const track = follow(flows, [x, y]);
      if (track.length === flows.length + 1) found.push(track);
    }
  }
  return found;
}

function follow(flows: readonly Flow[], start: [number, number]): Track {
  const track: Track = [start];
  for (const { u, v, valid, height, width } of flows) {
    const [x, y] = track.at(-1)!;
    if (x < 0 || y < 0 || x > width - 1 || y > height - 1) break;
    if (valid[Math.round(y) * width + Math.round(x)] === 0) break;
    track.push([x + sample({ data: u, height, width }, x, y), y + sample({ data: v, height, width }, x, y)]);
  }
  return track;
}

/**
 * Roughness of motion: median |p_{t+3} - 3 p_{t+2} + 3 p_{t+1} - p_t| over (median speed + 0.1 px), over all tracks
 * and times; 0 for steady motion, 6 over speed for p = t^3. Null without a track of four frames.
 */
export function jerk(all: readonly Track[]): number | null {
  const third: number[] = [];
  const speed: number[] = [];
  for (const track of all) {
    for (let t = 0; t + 1 < track.length; t++) {
      speed.push(Math.hypot(track[t + 1]![0] - track[t]![0], track[t + 1]![1] - track[t]![1]));
    }
    for (let t = 0; t + 3 < track.length; t++) {
      const change = (axis: 0 | 1): number =>
        track[t + 3]![axis] - 3 * track[t + 2]![axis] + 3 * track[t + 1]![axis] - track[t]![axis];
      third.push(Math.hypot(change(0), change(1)));
    }
  }
  return third.length === 0 ? null : median(third) / (median(speed) + 0.1);
}

/** Middle value, the mean of the two middle ones for an even count. */
export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}
