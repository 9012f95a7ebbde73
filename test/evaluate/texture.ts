import { clipFlow, type FlowEstimator, lucasKanade } from '../../src/evaluate/flow/lucas-kanade.ts';
import { blur, gaussianTaps, type Plane } from '../../src/evaluate/flow/plane.ts';
import { type WarpingError, warpingErrorAlong } from '../../src/evaluate/motion/warping.ts';
import type { Clip } from '../../src/io/index.ts';
import { random } from '../../src/nn/index.ts';

const MARGIN = 24;

/** Smoothed noise in [0, 1] with a margin around `size` to shift into. */
export function texture(size: number, seed: number, sigma = 4): Plane {
  const side = size + 2 * MARGIN;
  const noise = { data: random.key(seed).normal([side, side]).data, height: side, width: side };
  const soft = blur(noise, gaussianTaps(sigma, Math.ceil(4 * sigma)));
  const [low, high] = [Math.min(...soft.data), Math.max(...soft.data)];
  return { ...soft, data: soft.data.map((value) => (value - low) / (high - low)) };
}

/** The middle of a texture moved by (dx, dy) with a bicubic kernel (a = -0.5). */
export function shifted(scene: Plane, size: number, dx: number, dy: number): Plane {
  const data = new Float32Array(size * size);
  for (let i = 0; i < data.length; i++) {
    const [x, y] = [(i % size) + MARGIN - dx, Math.floor(i / size) + MARGIN - dy];
    const [x0, y0] = [Math.floor(x), Math.floor(y)];
    let sum = 0;
    for (let row = y0 - 1; row <= y0 + 2; row++) {
      for (let column = x0 - 1; column <= x0 + 2; column++) {
        sum += cubic(x - column) * cubic(y - row) * scene.data[row * scene.width + column]!;
      }
    }
    data[i] = sum;
  }
  return { data, height: size, width: size };
}

/** Rows and columns exchanged. */
export function transposed({ data, height, width }: Plane): Plane {
  const out = Float32Array.from(data, (_, i) => data[(i % height) * width + Math.floor(i / height)]!);
  return { data: out, height: width, width: height };
}

function cubic(distance: number): number {
  const t = Math.abs(distance);
  if (t < 1) return (1.5 * t - 2.5) * t * t + 1;
  return t < 2 ? ((-0.5 * t + 2.5) * t - 4) * t + 2 : 0;
}

/** The warping error of a clip along the flows of an estimator. */
export function warpingError(clip: Clip, estimate: FlowEstimator = lucasKanade): WarpingError {
  return warpingErrorAlong(clip, clipFlow(clip, estimate), clipFlow(clip, estimate, 'backward'));
}
