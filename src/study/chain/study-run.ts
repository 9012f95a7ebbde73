import { join } from 'node:path';
import { type Architecture, type Key, type Net, type Part, random, type Weights } from '../../nn/index.ts';
import { openTrajectories, type TrajectoryStore } from '../../sampler/index.ts';
import type * as train from '../../train/index.ts';
import { type StudyText, textEncoder } from '../../world/digits/text.ts';
import { type ArtefactName, hasArtefact, loadArtefact, saveArtefact } from '../networks/artefacts.ts';
import type { Recipe } from '../networks/recipe.ts';

/** Progress of long work. */
export interface Progress {
  /** What is being done, in a few words. */
  stage: string;
  done: number;
  total: number;
  /** Numbers of the last step, for stages that train. */
  values: Readonly<Record<string, number>>;
}

/** Long work that yields how far it is. */
export type Work<Result = void> = AsyncGenerator<Progress, Result, void>;

/** Where and how a chain of stages runs. */
export interface StudyRunOptions {
  recipe: Recipe;
  /** Holds a run folder per stage and `weights/`. */
  folder: string;
  signal?: AbortSignal;
}

/** The folder of the finished weights of a run. */
export function weightsFolder({ folder }: Pick<StudyRunOptions, 'folder'>): string {
  return join(folder, 'weights');
}

/** What a stage starts with: how long it runs, where it keeps its state, what stops it. */
export type RunPlace = Pick<train.RunOptions, 'steps' | 'folder' | 'signal'>;

/** What stages work with: the recipe, the networks made so far, and a run folder for each stage. */
export class StudyRun {
  readonly recipe: Recipe;
  readonly folder: string;
  readonly weights: string;
  readonly encodeText: StudyText['encode'];
  readonly signal: AbortSignal | undefined;
  readonly #text: StudyText;
  #owned: { dispose(): void }[] = [];

  constructor(options: StudyRunOptions) {
    this.recipe = options.recipe;
    this.folder = options.folder;
    this.weights = weightsFolder(options);
    this.#text = textEncoder(options.recipe);
    this.encodeText = this.#text.encode;
    this.signal = options.signal;
  }

  has(name: ArtefactName): boolean {
    return hasArtefact(this.weights, name);
  }

  /** Reads a finished network, which is released with the stage. */
  async load<Config>(name: ArtefactName, architecture: Architecture<Config>): Promise<Net<Config>> {
    return this.own(await loadArtefact(this.weights, name, architecture));
  }

  async save(name: ArtefactName, net: Part<object> & { weights: Weights }, facts = {}): Promise<void> {
    await saveArtefact(this.weights, name, net, { seed: String(this.recipe.seed), ...facts });
  }

  /** A network or weights to release when the stage ends. */
  own<Owned extends { dispose(): void }>(owned: Owned): Owned {
    this.#owned.push(owned);
    return owned;
  }

  /** A moving average of a network, released with the stage. */
  average<Config>(net: Net<Config>, decay: number): { net: Net<Config>; decay: number } {
    return { net: this.own(net.clone({ trainable: false })), decay };
  }

  /** Key of a network's first weights. */
  key(name: string): Key {
    return random.key(this.recipe.seed).stream('init').stream(name);
  }

  trajectories(): Promise<TrajectoryStore> {
    return openTrajectories(join(this.folder, 'trajectories'));
  }

  /** Trains in the stage's own run folder, from where it stopped, and passes its numbers on. */
  async *train(stage: string, total: number, start: (run: RunPlace) => AsyncGenerator<train.TrainStep, void>): Work {
    const { signal } = this;
    const run = { steps: total, folder: join(this.folder, stage), saveEvery: 200, ...(signal && { signal }) };
    yield* trainingProgress(stage, total, start(run));
    signal?.throwIfAborted();
  }

  /** Releases what the stage held. */
  release(): void {
    for (const owned of this.#owned) owned.dispose();
    this.#owned = [];
    this.#text.dispose();
  }
}

/** Steps of a training stage as progress. */
async function* trainingProgress(stage: string, total: number, steps: AsyncGenerator<train.TrainStep, void>): Work {
  for await (const { step, stepMs: _, clippedShare: __, ...values } of steps) {
    yield { stage, done: step, total, values };
  }
}
