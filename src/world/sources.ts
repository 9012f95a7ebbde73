/** A world as the stages of training take it: clips, latents and prompts, drawn by a key. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { tf } from '../engine/tf.ts';
import { type Clip, type HostTensor, readSafetensors, writeSafetensors } from '../io/index.ts';
import { elementCount } from '../io/internal.ts';
import { encode, type VaeConfig } from '../model/internal.ts';
import { type HostFloats, type Part, toHost, toTensor } from '../nn/index.ts';
import type { LatentBatch, Source } from '../train/index.ts';
import type { World, WorldClip } from './world.ts';

/** Training draws its clips below this index. */
export const TRAINING_CLIPS = 10_000_000;

/** Clips of one size as networks take them: [B, F, H, W, 3] in [-1, 1]. */
export function stacked(clips: readonly Clip[]): HostFloats {
  const [{ frames, height, width }] = clips as [Clip];
  const size = frames * height * width * 3;
  const data = new Float32Array(clips.length * size);
  for (const [row, clip] of clips.entries()) {
    for (let i = 0; i < size; i++) data[row * size + i] = 2 * clip.data[i]! - 1;
  }
  return { dtype: 'float32', shape: [clips.length, frames, height, width, 3], data };
}

/** Random clips of the training sequence. */
export function clipSource({ clip }: World, seed: number | string): Source<HostFloats> {
  return (key, count) => {
    const indices = key.stream('clips').integers(0, TRAINING_CLIPS, count);
    return stacked(Array.from(indices, (index) => clip(index, { seed }).clip));
  };
}

/** Clips `start`.. of the training sequence. */
export function trainingClips({ clip }: World, seed: number | string, start: number, count: number): WorldClip[] {
  return Array.from({ length: count }, (_, i) => clip(start + i, { seed }));
}

/** Random captions that training may show. */
export function promptSource({ prompts }: World): Source<readonly string[]> {
  const all = prompts('seen');
  return (key, count) => Array.from(key.integers(0, all.length, count), (index) => all[index]!);
}

/** Latents of clips, encoded once. */
export interface LatentBank {
  /** [N, f, h, w, z] */
  readonly latents: HostFloats;
  readonly captions: readonly string[];
}

/** Which clips are encoded, and where the latents are kept. */
export interface EncodeOptions {
  readonly seed: number | string;
  readonly count: number;
  readonly folder: string;
}

const ENCODE_BATCH = 16;

/** Encodes the first clips of the training sequence, or reads them back from the folder; yields the number done. */
export async function* encodeClips(
  world: World,
  vae: Part<VaeConfig>,
  { seed, count, folder }: EncodeOptions,
): AsyncGenerator<number, LatentBank, void> {
  const path = join(folder, 'latents.safetensors');
  if (!existsSync(path)) {
    const parts: HostTensor[] = [];
    for (let at = 0; at < count; at += ENCODE_BATCH) {
      const some = trainingClips(world, seed, at, Math.min(ENCODE_BATCH, count - at));
      parts.push(await encoded(vae, stacked(some.map(({ clip }) => clip))));
      yield Math.min(at + ENCODE_BATCH, count);
    }
    await writeSafetensors(path, [['latents', joined(parts)]]);
  }
  const latents = (await readSafetensors(path)).get('latents') as HostFloats;
  return { latents, captions: trainingClips(world, seed, 0, count).map(({ caption }) => caption) };
}

async function encoded(vae: Part<VaeConfig>, video: HostFloats): Promise<HostTensor> {
  const latents = tf.tidy(() => encode(vae, toTensor(video)));
  const host = await toHost(latents);
  latents.dispose();
  return host;
}

function joined(parts: readonly HostTensor[]): HostTensor {
  const rest = parts[0]?.shape.slice(1) ?? [];
  const data = new Float32Array(parts.reduce((sum, part) => sum + part.data.length, 0));
  let at = 0;
  for (const part of parts) {
    data.set(part.data as Float32Array, at);
    at += part.data.length;
  }
  return { dtype: 'float32', shape: [data.length / elementCount(rest), ...rest], data };
}

/** Random clips of the bank. */
export function latentSource(bank: LatentBank): Source<LatentBatch> {
  return piecesOf(bank, bank.latents.shape[1]!);
}

/** Random single frames of the bank, as clips of one frame. */
export function stillSource(bank: LatentBank): Source<LatentBatch> {
  return piecesOf(bank, 1);
}

/** Random clips of the bank, cut into pieces of `frames` frames that follow each other. */
function piecesOf({ latents, captions }: LatentBank, frames: number): Source<LatentBatch> {
  const [clips, length, ...sides] = latents.shape as [number, number, ...number[]];
  const pieces = length / frames;
  const shape = [frames, ...sides];
  const size = elementCount(shape);
  return (key, count) => {
    const chosen = key.integers(0, clips * pieces, count);
    const data = new Float32Array(count * size);
    for (const [row, index] of chosen.entries()) {
      data.set(latents.data.subarray(index * size, (index + 1) * size), row * size);
    }
    const prompts = Array.from(chosen, (index) => captions[Math.floor(index / pieces)]!);
    return { latents: { dtype: 'float32', shape: [count, ...shape], data }, prompts };
  };
}
