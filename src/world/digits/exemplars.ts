import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import type { Split } from '../world.ts';

/** Side of an exemplar in pixels, half of MNIST's 28. */
export const EXEMPLAR_SIZE = 14;
const SOURCE_SIZE = 28;
const TRAIN_LIMIT = 900;
const TRAIN_SHARE = 0.9;

const loaded = new Map<number, Float32Array[]>();

/**
 * Number of handwritten exemplars of a digit in a split: the first 900 (nine tenths where a digit
 * has fewer than 1000) are `train`, the rest `test`.
 */
export function exemplarCount(digit: number, split: Split): number {
  const total = load(digit).length;
  const train = Math.min(TRAIN_LIMIT, Math.floor(total * TRAIN_SHARE));
  return split === 'train' ? train : total - train;
}

/**
 * One handwritten digit of MNIST, [14, 14] in [0, 1], area-averaged from 28x28.
 * Source: the `mnist` package (LeCun, Cortes, Burges). The array is shared: do not write to it.
 */
export function exemplar(digit: number, index: number, split: Split): Float32Array {
  const count = exemplarCount(digit, split);
  if (!Number.isInteger(index) || index < 0 || index >= count) {
    throw new RangeError(
      `index: wanted an integer from 0 to ${count - 1} for exemplars of digit ${digit} (${split}), received ${index}`,
    );
  }
  return load(digit)[split === 'train' ? index : exemplarCount(digit, 'train') + index]!;
}

function load(digit: number): Float32Array[] {
  const known = loaded.get(digit);
  if (known) return known;
  if (!Number.isInteger(digit) || digit < 0 || digit > 9) {
    throw new RangeError(`digit: wanted an integer from 0 to 9, received ${digit}`);
  }
  const path = createRequire(import.meta.url).resolve(`mnist/src/digits/${digit}.json`);
  const { data } = JSON.parse(readFileSync(path, 'utf8')) as { data: number[] };
  const images: Float32Array[] = [];
  for (let at = 0; at < data.length; at += SOURCE_SIZE ** 2) images.push(halve(data, at));
  loaded.set(digit, images);
  return images;
}

/** [28, 28] at `offset` -> [14, 14] by averaging 2x2 squares. */
function halve(data: readonly number[], offset: number): Float32Array {
  const out = new Float32Array(EXEMPLAR_SIZE ** 2);
  for (let y = 0; y < EXEMPLAR_SIZE; y++) {
    for (let x = 0; x < EXEMPLAR_SIZE; x++) {
      const at = offset + 2 * y * SOURCE_SIZE + 2 * x;
      out[y * EXEMPLAR_SIZE + x] =
        (data[at]! + data[at + 1]! + data[at + SOURCE_SIZE]! + data[at + SOURCE_SIZE + 1]!) / 4;
    }
  }
  return out;
}
