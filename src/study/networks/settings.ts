/** What a recipe and a world decide about sampling and the two phases, in the form in which the stages take it. */
import { latentShape, type VaeConfig, type WanConfig } from '../../model/internal.ts';
import type { Net } from '../../nn/index.ts';
import type { Reward } from '../../reward/index.ts';
import { denoisingSteps, euler, fewStep, type Schedule, type VideoModel } from '../../sampler/index.ts';
import type * as train from '../../train/index.ts';
import { promptSource, type Recipe, type World, type WorldText } from '../../world/index.ts';

/** A recipe with its world. */
export interface StudyParts {
  readonly recipe: Recipe;
  readonly world: World;
}

/** What sampling needs beside the network itself. */
export interface SamplingParts extends StudyParts {
  readonly vae: Net<VaeConfig>;
  readonly text: WorldText;
}

/** Frames, height, width and channels of a clip's latents. */
export type LatentShape = readonly [frames: number, height: number, width: number, channels: number];

export function clipLatentShape({ recipe, world }: StudyParts): LatentShape {
  const { frames, height, width, channels } = latentShape(recipe.vae.config, world.size);
  return [frames, height, width, channels];
}

/** The student's denoising schedule. */
export function studentSchedule({ student }: Pick<Recipe, 'student'>): Schedule {
  return denoisingSteps(student.denoisingSteps, { shift: student.shift });
}

/** How a network makes clips: in many guided steps, in a few, or in a few block by block. */
export type SamplingKind = 'teacher' | 'distilled' | 'student';

/** Clips generated together. */
const BATCH = 32;

/** A network with decoder, text and the recipe's way of sampling, as `sampler.generate` takes it. */
export function videoModel(
  { recipe, world, vae, text }: SamplingParts,
  net: Net<WanConfig>,
  kind: SamplingKind,
): VideoModel {
  const { frames, height, width, fps } = world.size;
  const every = { size: [width, height], frames, fps, joint: true, batch: BATCH, negativePrompt: null } as const;
  const few = { solver: fewStep, schedule: studentSchedule(recipe), guidanceScale: 1, causal: kind === 'student' };
  const defaults = kind === 'teacher' ? { ...every, solver: euler, ...recipe.sampling } : { ...every, ...few };
  return { net, decoder: vae, text, defaults };
}

/** All of phase 1 but its student and its trajectories. */
export type Phase1Settings = Omit<train.OdeOptions, 'student' | 'data' | 'average'>;

export function phase1Settings({ recipe, text }: Pick<SamplingParts, 'recipe' | 'text'>): Phase1Settings {
  const { emaDecay: _, ...stage } = recipe.ode;
  return { ...stage, seed: recipe.seed, text };
}

/** All of phase 2 but its student. */
export type Phase2Settings = Omit<train.RewardTrainOptions, 'student' | 'average'>;

export function phase2Settings(parts: SamplingParts & { readonly reward: Reward }): Phase2Settings {
  const { recipe, vae, reward, world, text } = parts;
  return {
    ...recipe.reward.train,
    exitSteps: recipe.reward.exitSteps,
    seed: recipe.seed,
    decoder: vae,
    reward,
    prompts: promptSource(world),
    text,
    latentShape: clipLatentShape(parts),
    schedule: studentSchedule(recipe),
  };
}
