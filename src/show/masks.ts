/** Masks of attention as pictures. */
import { createClip, type HostTensor } from '../io/index.ts';
import type { Figure } from './figure.ts';
import { type FramesOptions, frames } from './frames.ts';

/** Side of a mask's picture in pixels, however many tokens it has. */
const SIDE = 96;

/** What is seen, and what is hidden. */
const [white, dark] = [0.95, 0.15];

/**
 * Masks [L, L] of 0 and 1 side by side at one size: rows are the tokens that look, columns those that they see (white).
 *
 * @throws RangeError if one is not square.
 * @example show.masks([model.visibilityMask(model.causalVisibility(config, 21), 4)], { title: 'who sees whom' })
 */
export function masks(given: readonly HostTensor[], options: FramesOptions = {}): Figure {
  const data = new Float32Array(given.length * SIDE * SIDE * 3);
  for (const [i, mask] of given.entries()) data.set(picture(mask), i * SIDE * SIDE * 3);
  const size = { frames: given.length, height: SIDE, width: SIDE, fps: 1 };
  return frames(createClip(data, size), { count: given.length, ...options });
}

function picture({ shape, data }: HostTensor): Float32Array {
  const [length = 0] = shape;
  if (shape.length !== 2 || length !== shape[1]) throw new RangeError(`mask: wanted [L, L], received [${shape}]`);
  const at = (pixel: number): number => Math.floor((pixel * length) / SIDE);
  return Float32Array.from({ length: SIDE * SIDE * 3 }, (_, i) => {
    const [x, y] = [Math.floor(i / 3) % SIDE, Math.floor(i / 3 / SIDE)];
    return Number(data[at(y) * length + at(x)]) > 0 ? white : dark;
  });
}
