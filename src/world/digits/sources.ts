/** The digit world as the stages take it: clips, windows, latents and prompts, each drawn by a key. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { tf } from '../../engine/tf.ts';
import { type HostTensor, readSafetensors, writeSafetensors } from '../../io/index.ts';
import { elementCount } from '../../io/internal.ts';
import { encode, type VaeConfig } from '../../model/vae/index.ts';
import { type HostFloats, type Key, toHost, toTensor, type Weights } from '../../nn/index.ts';
import type { Recipe } from '../../study/networks/recipe.ts';
import type { LatentBatch, Source } from '../../train/index.ts';
import * as digits from './index.ts';

const { FRAMES, SIZE } = digits;
/** Clips that are never trained on begin here. */
const HELD_OUT_FROM = 10_000_000;

/** Videos [B, 9, W, W, 3] in [-1, 1]: square windows that hold most of the digit, at random offsets. */
export function windowSource({ seed, vae: { window, exemplars } }: Recipe): Source<HostFloats> {
  return (key, count) => {
    const data = new Float32Array(count * FRAMES * window * window * 3);
    const indices = key.stream('clips').integers(0, HELD_OUT_FROM, count);
    for (let b = 0; b < count; b++) {
      const item = digits.clip(indices[b]!, { seed, exemplars, prompts: 'all' });
      cut(item, data.subarray(b * FRAMES * window * window * 3), window, key.stream('window').stream(b));
    }
    return { dtype: 'float32', shape: [count, FRAMES, window, window, 3], data };
  };
}

/** Copies a window of all frames, placed around the digit's middle position, in [-1, 1]. */
function cut({ clip, centroids }: digits.DigitClip, out: Float32Array, window: number, key: Key): void {
  const [cx = 0, cy = 0] = centroids[FRAMES >> 1] ?? [];
  const jitter = key.integers(-5, 6, 2);
  const place = (centre: number, shift: number): number =>
    Math.min(Math.max(Math.round(centre - window / 2) + shift, 0), SIZE - window);
  const [x0, y0] = [place(cx, jitter[0]!), place(cy, jitter[1]!)];
  for (let frame = 0; frame < FRAMES; frame++) {
    for (let y = 0; y < window; y++) {
      const from = 3 * ((frame * SIZE + y0 + y) * SIZE + x0);
      const to = 3 * (frame * window + y) * window;
      for (let i = 0; i < 3 * window; i++) out[to + i] = 2 * clip.data[from + i]! - 1;
    }
  }
}

/** Whole clips `start`.. of the training sequence [B, 9, 32, 32, 3] in [-1, 1], with their captions. */
export function clipBatch(
  { seed, exemplars }: Recipe,
  start: number,
  count: number,
): { video: HostFloats; captions: string[] } {
  const { data, shape, captions } = digits.batch(start, count, { seed, exemplars });
  return { video: { dtype: 'float32', shape, data: data.map((value) => 2 * value - 1) }, captions };
}

/** Latents of clips, encoded once. */
export interface LatentBank {
  /** [N, f, h, w, z] */
  latents: HostFloats;
  captions: string[];
}

const ENCODE_BATCH = 16;

/** Encodes the recipe's clips, or reads them back from the run folder; yields the number done. */
export async function* encodeClips(
  recipe: Recipe,
  vae: { weights: Weights; config: VaeConfig },
  folder: string,
): AsyncGenerator<number, LatentBank, void> {
  const path = join(folder, 'latents.safetensors');
  if (!existsSync(path)) {
    const parts: HostTensor[] = [];
    for (let at = 0; at < recipe.latents; at += ENCODE_BATCH) {
      const { video } = clipBatch(recipe, at, Math.min(ENCODE_BATCH, recipe.latents - at));
      parts.push(await encodeBatch(vae, video));
      yield Math.min(at + ENCODE_BATCH, recipe.latents);
    }
    await writeSafetensors(path, [['latents', joined(parts)]]);
  }
  const latents = (await readSafetensors(path)).get('latents') as HostFloats;
  return { latents, captions: captionsOf(recipe) };
}

async function encodeBatch(
  { weights, config }: { weights: Weights; config: VaeConfig },
  video: HostFloats,
): Promise<HostTensor> {
  const latents = tf.tidy(() => encode({ weights, config }, toTensor(video)));
  const host = await toHost(latents);
  latents.dispose();
  return host;
}

function joined(parts: readonly HostTensor[]): HostTensor {
  const [first] = parts;
  const size = parts.reduce((sum, { data }) => sum + data.length, 0);
  const data = new Float32Array(size);
  let at = 0;
  for (const part of parts) {
    data.set(part.data as Float32Array, at);
    at += part.data.length;
  }
  const rest = first?.shape.slice(1) ?? [];
  return { dtype: 'float32', shape: [size / elementCount(rest), ...rest], data };
}

function captionsOf({ seed, exemplars, latents }: Recipe): string[] {
  return Array.from({ length: latents }, (_, i) => digits.clip(i, { seed, exemplars }).caption);
}

/** Random clips of the bank. */
export function latentSource({ latents, captions }: LatentBank): Source<LatentBatch> {
  const [total = 0, ...shape] = latents.shape;
  const size = elementCount(shape);
  return (key, count) => {
    const chosen = key.integers(0, total, count);
    const data = new Float32Array(count * size);
    for (const [row, index] of chosen.entries())
      data.set(latents.data.subarray(index * size, (index + 1) * size), row * size);
    const prompts = Array.from(chosen, (index) => captions[index]!);
    return { latents: { dtype: 'float32', shape: [count, ...shape], data }, prompts };
  };
}

/** Random captions of the training labels; one in ten labels is held out. */
export function promptSource(): Source<readonly string[]> {
  const all = digits.prompts('seen');
  return (key, count) => Array.from(key.integers(0, all.length, count), (index) => all[index]!);
}
