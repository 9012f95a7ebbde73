/**
 * The whole method from nothing, stage by stage: autoencoder, teacher, distillation, trajectories, phase 1, judges,
 * phase 2. Each stage runs in its own folder, resumes where it stopped, and leaves one file of weights.
 */
import { mkdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import { report } from '../../engine/index.ts';
import { writeAtomic } from '../../io/index.ts';
import { prepareFolder } from '../../io/internal.ts';
import type { FrameChoice } from '../../reward/index.ts';
import { trainingCurves } from '../../train/internal.ts';
import type { Recipe } from '../../world/index.ts';
import { hasReward, METHOD_NETWORKS, VARIANTS } from '../networks/files.ts';
import { type Manifest, shipWeights } from '../networks/manifest.ts';
import { placeOf, type StudyOptions, type StudyPlace, type Work, weightsFolder } from '../networks/place.ts';
import { type ScratchResults, toJson, writePublished } from '../results/results.ts';
import { compareAll } from '../results/scratch.ts';
import * as stages from './stages.ts';
import { StudyRun } from './study-run.ts';

/**
 * Runs every stage that has not left its weights yet, in order.
 *
 * @throws Error if the folder holds a run of another recipe; the abort reason when `signal` stops it.
 */
export async function* runChain(options: StudyOptions): Work {
  const place = placeOf(options);
  await mkdir(weightsFolder(place), { recursive: true });
  await settleRecipe(place);
  const chain = new Chain(place);
  yield* chain.vae();
  yield* chain.teacher();
  yield* chain.distil();
  yield* chain.trajectories();
  yield* chain.ode();
  yield* chain.judges();
  if (hasReward(place.world)) yield* chain.reward('reward-forcing', 'last');
}

/** One run of the chain: its stages read what the earlier ones left. */
export class Chain {
  readonly #study: StudyRun;

  constructor(options: StudyOptions) {
    this.#study = new StudyRun(placeOf(options));
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
    for (const judge of this.#study.world.judges) {
      yield* this.#make(judge.id, (study) => stages.makeJudge(study, judge));
    }
  }

  /** Phase 2 from the student of phase 1, with the reward on the chosen frames. */
  reward(name: string, frames: FrameChoice): Work {
    return this.#make(name, (study) => stages.makeRewarded(study, name, frames));
  }

  async *#make(name: string, stage: (study: StudyRun) => Work): Work {
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
async function settleRecipe({ folder, recipe }: StudyPlace): Promise<void> {
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

/** Where a run from scratch works, and what its weights are shipped with. */
export interface FromScratchOptions extends StudyOptions {
  /** Gets the finished weights and their manifest. */
  readonly shipTo: string;
  readonly version: string;
  readonly about: Pick<Manifest, 'command' | 'commit'>;
}

/**
 * Runs the chain and the variants of frame supervision, compares them, writes `results.json` into the folder and ships
 * the weights. Finished parts are not done again.
 */
export async function runFromScratch(options: FromScratchOptions): Promise<ScratchResults> {
  const { shipTo, about, version } = options;
  const place = placeOf(options);
  const { recipe, world, folder } = place;
  await prepareFolder(folder);
  await prepareFolder(shipTo);
  await trainAll(place);
  const results = await compareAll({ ...place, version });
  await writeAtomic(join(folder, 'results.json'), toJson(results));
  const { name, device, threads } = report();
  const engine = `${name}, ${device}, ${threads} threads`;
  await shipWeights(weightsFolder(place), shipTo, { ...about, engine, licence: 'Apache-2.0', recipe, world });
  await writePublished(shipTo, world, { results, curves: await trainingCurves(folder, stageFolders(place)) });
  return results;
}

function stageFolders({ recipe, world }: StudyPlace): string[] {
  const [, ...method] = METHOD_NETWORKS;
  const others = method.map((name) => (name === 'distilled' ? 'distil' : name));
  const judges = world.judges.map(({ id }) => id);
  return [
    ...recipe.vae.phases.map((_, i) => `vae-${i + 1}`),
    ...(recipe.teacher.stills ? ['teacher-stills'] : []),
    ...others,
    ...judges,
    ...VARIANTS.map(({ name }) => name),
  ];
}

async function trainAll(place: StudyPlace): Promise<void> {
  const { onProgress } = place;
  for await (const progress of runChain(place)) onProgress?.(progress);
  const chain = new Chain(place);
  for (const { name, frames } of VARIANTS) {
    for await (const progress of chain.reward(name, frames)) onProgress?.(progress);
  }
}
