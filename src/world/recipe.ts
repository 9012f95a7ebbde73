/** Recipes: every size, seed and number of steps of a chain of training on a world, as data that results keep. */
import { type VaeConfig, vaeConfig, type WanConfig, wanPresets } from '../model/internal.ts';
import type { LearnerOptions, SigmaSampling } from '../train/index.ts';
import type { JudgeTraining } from './judge.ts';
import type { World, WorldIdentity } from './world.ts';

/** A stage's length and optimizer. */
export interface StageRecipe extends LearnerOptions {
  steps: number;
  batch: number;
}

/** Everything that decides the results of a chain. */
export interface Recipe {
  name: string;
  seed: number;
  /** The world that everything is trained on. */
  world: WorldIdentity;
  /** Width of a word's vector and number of words. */
  text: { textDim: number; textLen: number };
  vae: {
    config: VaeConfig;
    klWeight: number;
    /** Pixels above a value in [-1, 1] count `weight` times; null for all alike. */
    pixelWeight: { above: number; weight: number } | null;
    /** Trainings one after the other, each with its own loss. */
    phases: readonly (StageRecipe & { loss: 'l1' | 'l2' | 'l1+l2'; parts?: 'all' | 'decoder' })[];
  };
  /** Clips encoded once for the teacher. */
  latents: number;
  /** `stills`: learns single frames first, as Wan itself did; null for clips from the first step. */
  teacher: {
    config: WanConfig;
    stills: StageRecipe | null;
    train: StageRecipe;
    sampling: SigmaSampling;
    emaDecay: number;
  };
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
  /** The world's judges by their ids. */
  judges: Readonly<Record<string, JudgeTraining>>;
  /** Phase 2; `exitSteps` says at which denoising steps the gradient flows. */
  reward: { train: StageRecipe; exitSteps: 'shared' | 'last' | 'per-block'; emaDecay: number };
  evaluation: { prompts: number; seeds: number };
}

/** Some values of a recipe in place of the default ones; schedules of rates and lists are replaced whole. */
export type RecipeChanges = Changes<Omit<Recipe, 'world'>>;

type Changes<T> = { readonly [Name in keyof T]?: Name extends 'lr' ? T[Name] : Change<T[Name]> };
type Change<T> = T extends readonly unknown[] | string | number | null ? T : T extends object ? Changes<T> : T;

type Defaults = Omit<Recipe, 'world' | 'judges' | 'vae'> & {
  vae: Omit<Recipe['vae'], 'config'> & { config: Partial<VaeConfig> };
};

const fast: Pick<LearnerOptions, 'betas' | 'weightDecay' | 'clip'> = { betas: [0.9, 0.99], weightDecay: 0, clip: 1 };
const adversarial: Pick<LearnerOptions, 'betas' | 'clip'> = { betas: [0, 0.999], clip: 10 };

/** The sizes of the published run on 32x32 pixels and 9 frames. */
const defaults: Defaults = {
  name: 'study',
  seed: 7,
  text: { textDim: 64, textLen: 8 },
  vae: {
    config: { dim: 8, z_dim: 16, dim_mult: [1, 2, 4], num_res_blocks: 1, temperal_downsample: [true, true] },
    klWeight: 1e-4,
    pixelWeight: null,
    phases: [
      {
        loss: 'l1+l2',
        steps: 3200,
        batch: 16,
        lr: { lr: 4e-3, warmup: 50, decay: { kind: 'linear', from: 1600, to: 3200, final: 0.02 } },
        ...fast,
        muon: {},
      },
      {
        loss: 'l1+l2',
        parts: 'decoder',
        steps: 2000,
        batch: 16,
        lr: { lr: 4e-3, warmup: 20, decay: { kind: 'linear', from: 800, to: 2000, final: 0.02 } },
        ...fast,
        muon: {},
      },
    ],
  },
  latents: 24_000,
  teacher: {
    config: wanPresets.study,
    stills: null,
    train: {
      steps: 8000,
      batch: 48,
      lr: { lr: 2e-3, warmup: 100, decay: { kind: 'linear', from: 4000, to: 8000, final: 0.02 } },
      ...fast,
      muon: {},
    },
    sampling: { kind: 'uniform', shift: 2 },
    emaDecay: 0.998,
  },
  sampling: { steps: 32, shift: 3, guidanceScale: 4 },
  student: { denoisingSteps: [1000, 750, 500, 250], shift: 3 },
  distil: {
    generator: { steps: 300, batch: 32, lr: 2e-4, ...adversarial },
    critic: { lr: 2e-4, ...adversarial },
    generatorEvery: 4,
    guidance: 3,
    emaDecay: 0.95,
  },
  trajectories: { count: 1400, steps: 48 },
  ode: {
    steps: 200,
    batch: 32,
    lr: { lr: 1e-3, warmup: 50, decay: { kind: 'linear', from: 60, to: 200, final: 0.02 } },
    ...fast,
    emaDecay: 0.99,
  },
  reward: { train: { steps: 400, batch: 16, lr: 3e-5, ...adversarial }, exitSteps: 'last', emaDecay: 0.98 },
  evaluation: { prompts: 64, seeds: 2 },
};

/**
 * The recipe of a chain on a world: the defaults, then what the world changes, then `changes`. The teacher's text and
 * latent sizes follow from `text` and from the autoencoder.
 *
 * @example recipe(lights, { name: 'short', ode: { steps: 60, lr: 1e-3 } })
 */
export function recipe(world: World, changes: RecipeChanges = {}): Recipe {
  const { id, options, judges } = world;
  const trainings: Recipe['judges'] = Object.fromEntries(judges.map((judge) => [judge.id, judge.training]));
  const { name, seed, text, vae, teacher, ...rest } = merged(
    merged({ ...defaults, judges: trainings }, world.recipe),
    changes,
  );
  const config = vaeConfig(vae.config);
  const sizes = { text_dim: text.textDim, text_len: text.textLen, in_dim: config.z_dim, out_dim: config.z_dim };
  return {
    name,
    seed,
    world: { id, options },
    text,
    vae: { ...vae, config },
    teacher: { ...teacher, config: { ...teacher.config, ...sizes } },
    ...rest,
  };
}

/** The chain at sizes that take seconds: for tests of the machinery, not for results. */
export function smokeRecipe(world: World): Recipe {
  const brief = { steps: 2, batch: 2 };
  const { vae, teacher, judges } = recipe(world);
  const [first, ...others] = vae.config.dim_mult;
  return recipe(world, {
    name: 'smoke',
    vae: {
      config: { dim: 4, z_dim: 4, dim_mult: [first ?? 1, ...others.map(() => 2)] },
      phases: vae.phases.map((phase) => ({ ...phase, ...brief })),
    },
    latents: 8,
    teacher: {
      config: { dim: 32, ffn_dim: 64, freq_dim: 32, num_heads: 2, num_layers: 1 },
      stills: teacher.stills && { ...teacher.stills, ...brief },
      train: { steps: 2, batch: 4 },
    },
    sampling: { steps: 4 },
    distil: { generator: brief },
    trajectories: { count: 4, steps: 4 },
    ode: brief,
    judges: Object.fromEntries(Object.entries(judges).map(([id, training]) => [id, { ...training, ...brief }])),
    reward: { train: brief },
    evaluation: { prompts: 4, seeds: 1 },
  });
}

function merged<T extends object>(base: T, changes: RecipeChanges | Readonly<Record<string, unknown>>): T {
  const made = { ...base } as Record<string, unknown>;
  for (const [name, change] of Object.entries<unknown>(changes)) {
    const before = made[name];
    made[name] = name !== 'lr' && isRecord(before) && isRecord(change) ? merged(before, change) : change;
  }
  return made as T;
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
