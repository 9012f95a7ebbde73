/** The small networks as models that `sampler.generate` takes: how each of them is sampled. */

import type { Tensor } from '../../engine/tf.ts';
import type { WanConfig } from '../../model/index.ts';
import { latentShape, type VaeConfig } from '../../model/vae/index.ts';
import type { Net, Part } from '../../nn/index.ts';
import {
  denoisingSteps,
  euler,
  fewStep,
  type GenerateSettings,
  type Schedule,
  type VideoModel,
} from '../../sampler/index.ts';
import * as digits from '../../world/digits/index.ts';
import type { Recipe } from './recipe.ts';

/** What sampling needs beside the network itself. */
export interface SamplingParts {
  recipe: Recipe;
  vae: Net<VaeConfig>;
  encodeText(prompts: readonly string[]): Tensor;
}

/** How a network makes clips: in many guided steps, in a few, or in a few block by block. */
export type SamplingKind = 'teacher' | 'distilled' | 'student';

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

/** A network with decoder, text and the settings of the recipe, for `sampler.generate`. */
export function videoModel(
  { recipe, vae, encodeText }: SamplingParts,
  { net, kind }: { net: Part<WanConfig>; kind: SamplingKind },
): VideoModel {
  return { net, decoder: vae, text: { encode: encodeText }, defaults: samplingOf(recipe, kind) };
}

function samplingOf(recipe: Recipe, kind: SamplingKind): Partial<GenerateSettings> {
  const size = [digits.SIZE, digits.SIZE] as const;
  const every = { size, frames: digits.FRAMES, fps: digits.FPS, joint: true, batch: 32, negativePrompt: null };
  if (kind === 'teacher') return { ...every, solver: euler, ...recipe.sampling };
  const few = { ...every, solver: fewStep, schedule: studentSchedule(recipe), guidanceScale: 1 };
  return { ...few, causal: kind === 'student' };
}
