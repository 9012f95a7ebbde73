import type { Clip } from '../../io/index.ts';
import { toByte } from '../../io/internal.ts';
import { mean } from '../statistics/mean.ts';

/**
 * Temporal flickering, 1 for a frozen clip: (255 - mean over pairs of mean |I_t - I_{t+1}|) / 255 on 8-bit
 * frames. Never show it without dynamic degree. Source: VBench vbench/temporal_flickering.py.
 */
export function flicker({ data, frames }: Clip): number {
  if (frames < 2) throw new RangeError(`flicker needs two frames or more; the clip has ${frames}`);
  const size = data.length / frames;
  const before = new Uint8Array(size);
  let sum = 0;
  for (let at = 0; at < data.length; at += size) {
    for (let i = 0; i < size; i++) {
      const byte = toByte(data[at + i]!);
      if (at > 0) sum += Math.abs(byte - before[i]!);
      before[i] = byte;
    }
  }
  return 1 - sum / (255 * size * (frames - 1));
}

/**
 * Subject or background consistency of one clip from one feature vector per frame (T of D): for t >= 1 the mean
 * of max(0, cos) to the frame before and to the first one; `score` is the mean over t.
 * Source: VBench vbench/subject_consistency.py.
 */
export function consistency(features: readonly ArrayLike<number>[]): { score: number; perFrame: number[] } {
  const [first] = features;
  if (first === undefined || features.length < 2) {
    throw new RangeError(`consistency needs features of two frames or more; got ${features.length}`);
  }
  const perFrame = features.slice(1).map((feature, i) => {
    return (Math.max(0, cosine(features[i]!, feature)) + Math.max(0, cosine(first, feature))) / 2;
  });
  return { score: mean(perFrame), perFrame };
}

function cosine(a: ArrayLike<number>, b: ArrayLike<number>): number {
  if (a.length !== b.length)
    throw new RangeError(`features have ${a.length} and ${b.length} values; want equal lengths`);
  let [dot, aa, bb] = [0, 0, 0];
  for (let i = 0; i < a.length; i++) {
    dot += a[i]! * b[i]!;
    aa += a[i]! ** 2;
    bb += b[i]! ** 2;
  }
  return dot / Math.max(Math.sqrt(aa) * Math.sqrt(bb), 1e-12);
}
