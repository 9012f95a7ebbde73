/** The small-scale recipe: every size, seed and number of steps of the chain, as data that is stored with the results. */

import { type VaeConfig, vaeConfig } from '../../model/vae/index.ts';
import { type WanConfig, wanPresets } from '../../model/wan/index.ts';
import type { LearnerOptions, SigmaSampling } from '../../train/index.ts';
import { VOCABULARY } from '../../world/digits/index.ts';

/** A stage's length and optimizer. */
export interface StageRecipe extends LearnerOptions {
  steps: number;
  batch: number;
}

/** Everything that decides the small-scale results. */
export interface Recipe {
  name: string;
  seed: number;
  /** Handwritten exemplars of each digit that the teacher's clips are drawn from. */
  exemplars: number;
  /** Width of a word's vector and number of words. */
  text: { textDim: number; textLen: number };
  vae: {
    config: VaeConfig;
    /** Exemplars of each digit that the autoencoder sees: more, so that it knows strokes rather than digits. */
    exemplars: number;
    /** Side of the square windows around the digit that the autoencoder is trained on. */
    window: number;
    klWeight: number;
    /** Weight of lit pixels over the black ground. */
    litWeight: number;
    /** Trainings one after the other, each with its own loss. */
    phases: readonly (StageRecipe & { loss: 'l1' | 'l2' | 'l1+l2'; parts?: 'all' | 'decoder' })[];
  };
  /** Clips encoded once for the teacher. */
  latents: number;
  teacher: { config: WanConfig; train: StageRecipe; sampling: SigmaSampling; emaDecay: number };
  /** How the teacher is sampled. */
  sampling: { steps: number; shift: number; guidanceScale: number };
  /** The student's nominal timesteps and their shift. */
  student: { denoisingSteps: readonly number[]; shift: number };
  distil: {
    generator: StageRecipe;
    critic: LearnerOptions;
    generatorEvery: number;
    guidance: number;
    emaDecay: number;
  };
  trajectories: { count: number; steps: number };
  ode: StageRecipe & { emaDecay: number };
  /** The training reward, the judge that nothing is trained on, and the digit classifier, each with its own seed. */
  judges: Record<'reward' | 'judge' | 'classifier', { seed: number; steps: number; batch: number }>;
  /** Phase 2; `exitSteps` says at which denoising steps the gradient flows. */
  reward: { train: StageRecipe; exitSteps: 'shared' | 'last' | 'per-block'; emaDecay: number };
  evaluation: { prompts: number; seeds: number };
}

const textDim = 64;
const textLen = 8;

const vaeOptimizer: Omit<LearnerOptions, 'lr'> = { betas: [0.9, 0.99], weightDecay: 0, clip: 1 };

/** The published small-scale run. */
export const studyRecipe: Recipe = {
  name: 'study',
  seed: 7,
  exemplars: 10,
  text: { textDim, textLen },
  vae: {
    config: vaeConfig({ dim: 8, z_dim: 16, dim_mult: [1, 2, 4], num_res_blocks: 1, temperal_downsample: [true, true] }),
    exemplars: 100,
    window: 20,
    klWeight: 1e-4,
    litWeight: 5,
    phases: [
      {
        loss: 'l1+l2',
        steps: 3200,
        batch: 16,
        lr: { lr: 4e-3, warmup: 50, decay: { kind: 'linear', from: 1600, to: 3200, final: 0.02 } },
        ...vaeOptimizer,
        muon: {},
      },
      {
        loss: 'l1+l2',
        parts: 'decoder',
        steps: 2000,
        batch: 16,
        lr: { lr: 4e-3, warmup: 20, decay: { kind: 'linear', from: 800, to: 2000, final: 0.02 } },
        ...vaeOptimizer,
        muon: {},
      },
    ],
  },
  latents: 24_000,
  teacher: {
    config: { ...wanPresets.study, text_dim: textDim, text_len: textLen },
    train: {
      steps: 8000,
      batch: 48,
      lr: { lr: 2e-3, warmup: 100, decay: { kind: 'linear', from: 4000, to: 8000, final: 0.02 } },
      betas: [0.9, 0.99],
      weightDecay: 0,
      clip: 1,
      muon: {},
    },
    sampling: { kind: 'uniform', shift: 2 },
    emaDecay: 0.998,
  },
  sampling: { steps: 32, shift: 3, guidanceScale: 4 },
  student: { denoisingSteps: [1000, 750, 500, 250], shift: 3 },
  distil: {
    generator: { steps: 300, batch: 32, lr: 2e-4, betas: [0, 0.999], clip: 10 },
    critic: { lr: 2e-4, betas: [0, 0.999], clip: 10 },
    generatorEvery: 4,
    guidance: 3,
    emaDecay: 0.95,
  },
  trajectories: { count: 1400, steps: 48 },
  ode: {
    steps: 200,
    batch: 32,
    lr: { lr: 1e-3, warmup: 50, decay: { kind: 'linear', from: 60, to: 200, final: 0.02 } },
    betas: [0.9, 0.99],
    weightDecay: 0,
    clip: 1,
    emaDecay: 0.99,
  },
  judges: {
    reward: { seed: 0, steps: 1600, batch: 32 },
    judge: { seed: 1, steps: 1600, batch: 32 },
    classifier: { seed: 0, steps: 3600, batch: 64 },
  },
  reward: {
    train: { steps: 400, batch: 16, lr: 3e-5, betas: [0, 0.999], clip: 10 },
    exitSteps: 'last',
    emaDecay: 0.98,
  },
  evaluation: { prompts: 64, seeds: 2 },
};

/** The whole chain at sizes that take seconds: for tests of the machinery, not for results. */
export const smokeRecipe: Recipe = {
  ...studyRecipe,
  name: 'smoke',
  exemplars: 2,
  vae: {
    ...studyRecipe.vae,
    config: vaeConfig({ dim: 4, z_dim: 4, dim_mult: [1, 2, 2], num_res_blocks: 1, temperal_downsample: [true, true] }),
    phases: studyRecipe.vae.phases.map((phase) => ({ ...phase, steps: 2, batch: 2 })),
  },
  latents: 8,
  teacher: {
    ...studyRecipe.teacher,
    config: {
      ...studyRecipe.teacher.config,
      dim: 32,
      ffn_dim: 64,
      freq_dim: 32,
      num_heads: 2,
      num_layers: 1,
      in_dim: 4,
      out_dim: 4,
    },
    train: { ...studyRecipe.teacher.train, steps: 2, batch: 4 },
  },
  sampling: { ...studyRecipe.sampling, steps: 4 },
  distil: { ...studyRecipe.distil, generator: { ...studyRecipe.distil.generator, steps: 2, batch: 2 } },
  trajectories: { count: 4, steps: 4 },
  ode: { ...studyRecipe.ode, steps: 2, batch: 2 },
  judges: {
    reward: { seed: 0, steps: 2, batch: 2 },
    judge: { seed: 1, steps: 2, batch: 2 },
    classifier: { seed: 0, steps: 2, batch: 2 },
  },
  reward: {
    ...studyRecipe.reward,
    train: { ...studyRecipe.reward.train, steps: 2, batch: 2 },
  },
  evaluation: { prompts: 4, seeds: 1 },
};

/** Words that captions may use, in the order of the text table's rows. */
export const vocabulary: readonly string[] = VOCABULARY;
