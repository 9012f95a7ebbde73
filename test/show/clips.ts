import { type Clip, createClip } from '../../src/io/index.ts';

/** A disc moving right over a dim background. */
export function movingDisc({ frames = 5, height = 16, width = 24, fps = 8 }: Partial<Omit<Clip, 'data'>> = {}): Clip {
  const data = new Float32Array(frames * height * width * 3).fill(0.1);
  for (let f = 0; f < frames; f++) {
    for (let y = 0; y < height; y++) {
      for (let x = 0; x < width; x++) {
        if (Math.hypot(x - 6 - 2 * f, y - height / 2) >= 4) continue;
        data.set([0.9, 0.4, 0.2], 3 * ((f * height + y) * width + x));
      }
    }
  }
  return createClip(data, { frames, height, width, fps });
}
