import { fileURLToPath } from 'node:url';
import { type Clip, createClip, readVideo } from '../../src/io/index.ts';

/** Eight frames, 108x192 at 25 a second, of "Big Buck Bunny", (c) Blender Foundation, CC BY 3.0, peach.blender.org. */
export function realClip(maxFrames: number = 8): Promise<Clip> {
  return readVideo(fileURLToPath(new URL('big-buck-bunny.webp', import.meta.url)), { maxFrames });
}

/** A bright square on a dark pattern that moves `step` pixels a frame to the right. */
export function movingSquare(frames: number, side: number, step: number, fps: number = 8): Clip {
  const data = new Float32Array(frames * side * side * 3);
  for (let i = 0; i < data.length / 3; i++) {
    const [x, y, frame] = [i % side, Math.floor(i / side) % side, Math.floor(i / side / side)];
    const left = side / 8 + frame * step;
    const inside = x >= left && x < left + side / 3 && y >= side / 4 && y < (3 * side) / 4;
    const [u, v] = [(x - (inside ? left : 0)) / side, y / side];
    const texture = 0.15 * Math.sin(14 * u) * Math.cos(11 * v);
    data.set([0.3 + (inside ? 0.4 : 0) + texture, 0.3 + texture, 0.35 + texture], 3 * i);
  }
  return createClip(data, { frames, height: side, width: side, fps });
}
