/** The two phases of the paper at the small scale: what they train on, apart from where they run and for how long. */
import type { WanConfig } from '../../model/index.ts';
import type { Net } from '../../nn/index.ts';
import type { Reward } from '../../reward/index.ts';
import * as train from '../../train/index.ts';
import { promptSource } from '../../world/digits/sources.ts';
import { clipLatentShape, type SamplingParts, studentSchedule } from '../networks/generate.ts';
import type { StageRecipe } from '../networks/recipe.ts';

/** Frames that phase 2 shows to the reward. */
export type SupervisedFrames = 'last' | 'first' | 'middle' | 'random-per-batch' | 'all';

/** How a phase is run: length, optimizer, seed, where. */
export type PhaseRun = StageRecipe & Pick<train.RunOptions, 'seed' | 'folder' | 'saveEvery' | 'signal'>;

/** Phase 1: the causal student regresses onto the teacher's ODE trajectories. Changes the student's weights. */
export function phase1(
  parts: SamplingParts,
  student: Net<WanConfig>,
  data: train.Source<train.TrajectoryBatch>,
  options: PhaseRun & { average?: train.Average },
): AsyncGenerator<train.TrainStep, void> {
  return train.ode({
    ...options,
    student,
    data,
    text: { encode: parts.encodeText },
  });
}

/** Phase 2: the student generates from its own context and climbs the reward. Changes the student's weights. */
export function phase2(
  parts: SamplingParts & { reward: Reward },
  student: Net<WanConfig>,
  options: PhaseRun & { average?: train.Average; frames?: SupervisedFrames },
): AsyncGenerator<train.TrainStep, void> {
  return train.reward({
    ...options,
    exitSteps: parts.recipe.reward.exitSteps,
    student,
    decoder: parts.vae,
    reward: parts.reward,
    prompts: promptSource(),
    text: { encode: parts.encodeText },
    latentShape: clipLatentShape(parts.recipe),
    schedule: studentSchedule(parts.recipe),
  });
}
