/** Clips from the small networks: many-step teacher, few-step generator, causal student. */

import { compile } from '../../engine/index.ts';
import { type Tensor, tf } from '../../engine/tf.ts';
import { type Clip, createClip } from '../../io/index.ts';
import { type WanConfig, wanForward } from '../../model/index.ts';
import { decode, latentShape, type VaeConfig } from '../../model/vae/index.ts';
import { type Key, type Net, type Part, toTensor } from '../../nn/index.ts';
import {
  denoisingSteps,
  euler,
  fewStep,
  flowSchedule,
  guide,
  rolloutLatents,
  type Schedule,
  seededNoise,
  type Velocity,
  wanStudent,
} from '../../sampler/index.ts';
import * as digits from '../../world/digits/index.ts';
import type { Recipe } from './recipe.ts';

/** What sampling needs beside the network itself. */
export interface SamplingParts {
  recipe: Recipe;
  vae: Net<VaeConfig>;
  encodeText(prompts: readonly string[]): Tensor;
}

/** Clips generated together. */
const BATCH = 32;

/** [F, h, w, z] of a clip's latents. */
export function clipLatentShape({ vae }: Pick<Recipe, 'vae'>): [number, number, number, number] {
  const { frames, height, width, channels } = latentShape(vae.config, {
    frames: digits.FRAMES,
    height: digits.SIZE,
    width: digits.SIZE,
  });
  return [frames, height, width, channels];
}

/** The student's denoising schedule. */
export function studentSchedule({ student }: Pick<Recipe, 'student'>): Schedule {
  return denoisingSteps(student.denoisingSteps, { shift: student.shift });
}

/** A guided velocity field whose two predictions run as one pass of twice the batch. */
export function guidedField(net: Part<WanConfig>, context: Tensor, scale: number): Velocity & { dispose(): void } {
  const empty = tf.zerosLike(context);
  const run = compile((x: Tensor, t: Tensor): Tensor => {
    const both = { x: tf.concat([x, x]), t: tf.concat([t, t]), context: tf.concat([context, empty]) };
    const [conditional, unconditional] = tf.split(wanForward(net, both), 2) as [Tensor, Tensor];
    return guide(conditional, unconditional, scale);
  });
  const field = (x: Tensor, t: number): Tensor => {
    const timesteps = tf.fill([x.shape[0]!], t);
    const velocity = run(x, timesteps);
    timesteps.dispose();
    return velocity;
  };
  const dispose = (): void => {
    run.dispose();
    empty.dispose();
  };
  return Object.assign(field, { dispose });
}

/** Latents [B, F, h, w, z] for prompts from initial noise. */
export type LatentSampler = (prompts: readonly string[], noise: Tensor, key: Key) => Promise<Tensor>;

/** The teacher by Euler steps with guidance. */
export function teacherSampler(parts: SamplingParts, teacher: Part<WanConfig>): LatentSampler {
  const { steps, shift, guidanceScale } = parts.recipe.sampling;
  return async (prompts, noise) => {
    const context = parts.encodeText(prompts);
    const field = guidedField(teacher, context, guidanceScale);
    const latents = tf.tidy(() => euler(field, noise, flowSchedule({ steps, shift })));
    field.dispose();
    context.dispose();
    return latents;
  };
}

/** The distilled bidirectional generator in its few steps, without guidance. */
export function distilledSampler(parts: SamplingParts, net: Part<WanConfig>): LatentSampler {
  return async (prompts, noise, key) => {
    const context = parts.encodeText(prompts);
    const field: Velocity = (x, t) => wanForward(net, { x, t: tf.fill([x.shape[0]!], t), context });
    const fresh = (index: number, shape: number[]): Tensor =>
      toTensor(key.stream('renoise').stream(index).normal(shape));
    const latents = tf.tidy(() => fewStep(field, noise, studentSchedule(parts.recipe), { noise: fresh }));
    context.dispose();
    return latents;
  };
}

/** The causal student, block by block from its own context. */
export function studentSampler(parts: SamplingParts, net: Part<WanConfig>): LatentSampler {
  return async (prompts, noise, key) => {
    const context = parts.encodeText(prompts);
    const student = wanStudent(net, context);
    const renoise = seededNoise(key.stream('renoise'));
    try {
      return await rolloutLatents(student, noise, { schedule: studentSchedule(parts.recipe), renoise });
    } finally {
      student.dispose();
      context.dispose();
    }
  };
}

/** Clips for prompts: noise and re-noising of each batch come from `key`, so the same key gives the same clips. */
export async function* generate(
  parts: SamplingParts,
  sample: LatentSampler,
  prompts: readonly string[],
  key: Key,
): AsyncGenerator<Clip, void> {
  const shape = clipLatentShape(parts.recipe);
  for (let at = 0; at < prompts.length; at += BATCH) {
    const some = prompts.slice(at, at + BATCH);
    const stream = key.stream('batch').stream(at);
    const noise = toTensor(stream.stream('noise').normal([some.length, ...shape]));
    const latents = await sample(some, noise, stream);
    yield* await decodeClips(parts.vae, latents);
    tf.dispose([noise, latents]);
  }
}

/** All clips of `generate`. */
export async function generateAll(
  parts: SamplingParts,
  sample: LatentSampler,
  prompts: readonly string[],
  key: Key,
): Promise<Clip[]> {
  const clips: Clip[] = [];
  for await (const clip of generate(parts, sample, prompts, key)) clips.push(clip);
  return clips;
}

/** Pixels in [0, 1] of latents [B, F, h, w, z], a clip each. */
export async function decodeClips(vae: Part<VaeConfig>, latents: Tensor): Promise<Clip[]> {
  const pixels = tf.tidy(() => tf.mul(tf.add(decode(vae, latents), 1), 0.5));
  const data = await pixels.data<'float32'>();
  const [count, frames, height, width] = pixels.shape as [number, number, number, number, number];
  pixels.dispose();
  const size = data.length / count;
  return Array.from({ length: count }, (_, i) =>
    createClip(data.slice(i * size, (i + 1) * size), { frames, height, width, fps: digits.FPS }),
  );
}
