import type { Clip } from '../../io/index.ts';
import { mean } from '../statistics/mean.ts';

/** D_t = mean |I_{t+1} - I_t| over pixels and channels, one value per pair. */
export function frameDifferences({ data, frames }: Clip): number[] {
  const size = data.length / frames;
  return Array.from({ length: frames - 1 }, (_, frame) => {
    let sum = 0;
    for (let i = frame * size; i < (frame + 1) * size; i++) sum += Math.abs(data[i + size]! - data[i]!);
    return sum / size;
  });
}

/** Share of pairs that change by less than one grey level (D_t < 1/255). */
export function stillShare(clip: Clip): number {
  const differences = frameDifferences(clip);
  return differences.filter((value) => value < 1 / 255).length / Math.max(1, differences.length);
}

/**
 * Mean D_t where a block of frames ends over mean D_t inside blocks; above 1.5 the joints show. `borders` lists the
 * first frame of each block but the first (for blocks of three frames: 3, 6, ...). Null without both kinds of pair.
 */
export function seamRatio(clip: Clip, borders: readonly number[]): number | null {
  const differences = frameDifferences(clip);
  const at = new Set(borders.map((frame) => frame - 1));
  const seams = differences.filter((_, i) => at.has(i));
  const inside = differences.filter((_, i) => !at.has(i));
  if (seams.length === 0 || inside.length === 0 || mean(inside) === 0) return null;
  return mean(seams) / mean(inside);
}

/** Standard deviation of the second difference of mean brightness: 0 for steady light, large for flicker. */
export function brightnessFlicker({ data, frames }: Clip): number {
  if (frames < 3) throw new RangeError(`brightnessFlicker needs three frames or more; the clip has ${frames}`);
  const size = data.length / frames;
  const light = Array.from({ length: frames }, (_, frame) => mean(data.subarray(frame * size, (frame + 1) * size)));
  const second = light.slice(2).map((value, i) => value - 2 * light[i + 1]! + light[i]!);
  const centre = mean(second);
  return Math.sqrt(mean(second.map((value) => (value - centre) ** 2)));
}

/** Mean squared distance of all pairs of clips of one prompt: falls when samples collapse onto each other. */
export function diversity(clips: readonly Clip[]): number {
  if (clips.length < 2) throw new RangeError(`diversity needs two clips or more; got ${clips.length}`);
  const distances = clips.flatMap((a, i) =>
    clips.slice(i + 1).map((b) => {
      let sum = 0;
      for (let k = 0; k < a.data.length; k++) sum += (a.data[k]! - b.data[k]!) ** 2;
      return sum / a.data.length;
    }),
  );
  return mean(distances);
}
