/** How a chain is trained on the sprites, where it departs from the defaults. */
import type { RecipeChanges, StageRecipe } from '../recipe.ts';

const stage: Pick<StageRecipe, 'batch' | 'betas' | 'weightDecay' | 'clip' | 'muon'> = {
  batch: 16,
  betas: [0.9, 0.99],
  weightDecay: 0,
  clip: 1,
  muon: {},
};

/** Pictures are coded one by one, each to 16x16 latents of 8 channels; the student paints three frames at a time. */
export const spriteRecipe: RecipeChanges = {
  vae: {
    config: {
      patch_size: 2,
      kernel_frames: 1,
      dim: 32,
      z_dim: 8,
      dim_mult: [1, 2],
      num_res_blocks: 1,
      temperal_downsample: [false],
    },
    klWeight: 2e-5,
    phases: [
      {
        ...stage,
        loss: 'l1+l2',
        steps: 4000,
        lr: { lr: 4e-3, warmup: 30, decay: { kind: 'linear', from: 1200, to: 4000, final: 0.02 } },
      },
      {
        ...stage,
        loss: 'l1+l2',
        parts: 'decoder',
        steps: 2000,
        lr: { lr: 4e-3, warmup: 20, decay: { kind: 'linear', from: 600, to: 2000, final: 0.02 } },
      },
    ],
  },
  latents: 8000,
  teacher: {
    config: { num_frame_per_block: 3 },
    stills: { ...stage, batch: 64, steps: 3000, lr: { lr: 2e-3, warmup: 100 } },
    train: {
      batch: 8,
      steps: 4500,
      lr: { lr: 2e-3, warmup: 100, decay: { kind: 'linear', from: 1500, to: 4500, final: 0.02 } },
    },
  },
  distil: { generator: { steps: 150, batch: 8 } },
  trajectories: { count: 1400, steps: 32 },
  ode: { batch: 16 },
  reward: { train: { batch: 8, steps: 200 } },
  evaluation: { prompts: 128, seeds: 3 },
};
