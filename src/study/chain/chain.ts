/**
 * The whole method from nothing, stage by stage: autoencoder, teacher, distillation, trajectories, phase 1, reward and
 * judge, phase 2. Each stage runs in its own folder, resumes where it stopped, and leaves one file of weights.
 */
import { mkdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import { writeAtomic } from '../../io/index.ts';
import type { ArtefactName } from '../networks/artefacts.ts';
import type { Recipe } from '../networks/recipe.ts';
import type { SupervisedFrames } from './phases.ts';
import * as stages from './stages.ts';
import { StudyRun, type StudyRunOptions, type Work, weightsFolder } from './study-run.ts';

/**
 * Runs every stage that has not left its weights yet, in order.
 *
 * @throws Error if the folder holds a run of another recipe; the abort reason when `signal` stops it.
 */
export async function* runChain(options: StudyRunOptions): Work {
  await mkdir(weightsFolder(options), { recursive: true });
  await settleRecipe(options);
  const chain = new Chain(options);
  yield* chain.vae();
  yield* chain.teacher();
  yield* chain.distil();
  yield* chain.trajectories();
  yield* chain.ode();
  yield* chain.judges();
  yield* chain.classifier();
  yield* chain.reward('reward-forcing', 'last');
}

/** One run of the chain: its stages read what the earlier ones left. */
export class Chain {
  readonly #study: StudyRun;

  constructor(options: StudyRunOptions) {
    this.#study = new StudyRun(options);
  }

  vae(): Work {
    return this.#make('vae', stages.makeVae);
  }

  teacher(): Work {
    return this.#make('teacher', stages.makeTeacher);
  }

  distil(): Work {
    return this.#make('distilled', stages.makeDistilled);
  }

  async *trajectories(): Work {
    const store = await this.#study.trajectories();
    if (store.records().length >= this.#study.recipe.trajectories.count) return;
    yield* this.#run(stages.makeTrajectories);
  }

  ode(): Work {
    return this.#make('ode', stages.makeOde);
  }

  async *judges(): Work {
    yield* this.#make('reward', (study) => stages.makePreference(study, 'reward'));
    yield* this.#make('judge', (study) => stages.makePreference(study, 'judge'));
  }

  classifier(): Work {
    return this.#make('classifier', stages.makeClassifier);
  }

  /** Phase 2 from the student of phase 1, with the reward on the chosen frames. */
  reward(name: ArtefactName, frames: SupervisedFrames): Work {
    return this.#make(name, (study) => stages.makeRewarded(study, name, frames));
  }

  async *#make(name: ArtefactName, stage: (study: StudyRun) => Work): Work {
    if (!this.#study.has(name)) yield* this.#run(stage);
  }

  async *#run(stage: (study: StudyRun) => Work): Work {
    try {
      yield* stage(this.#study);
    } finally {
      this.#study.release();
    }
  }
}

/** Notes the recipe of a new run, or compares with the one that is there. */
async function settleRecipe({ folder, recipe }: StudyRunOptions): Promise<void> {
  const path = join(folder, 'recipe.json');
  const wanted = JSON.parse(JSON.stringify(recipe)) as Recipe;
  const text = await readFile(path, 'utf8').catch(() => null);
  if (text === null) return writeAtomic(path, `${JSON.stringify(wanted, null, 2)}\n`);
  const stored = JSON.parse(text) as Recipe;
  const keys = Object.keys(wanted) as (keyof Recipe)[];
  const differing = keys.filter((key) => !isDeepStrictEqual(stored[key], wanted[key]));
  if (differing.length === 0) return;
  throw new Error(
    `${folder} holds a run of another recipe (${differing.join(', ')} differ): give another folder; to keep the ` +
      `stages that did not change, delete the folders and weights of those that did, and recipe.json`,
  );
}
