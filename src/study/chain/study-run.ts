/** One run of a study's chain: what its stages share, and how each of them trains. */
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { type Architecture, type Key, type Net, random } from '../../nn/index.ts';
import type { Reward } from '../../reward/index.ts';
import { openTrajectories, type TrajectoryStore } from '../../sampler/index.ts';
import type * as train from '../../train/index.ts';
import type { Recipe, World, WorldText } from '../../world/index.ts';
import { hasNetwork, loadNetwork, saveNetwork } from '../networks/files.ts';
import { type StudyPlace, type Work, weightsFolder } from '../networks/place.ts';

/** What a stage starts with: how long it runs, where it keeps its state, what stops it, and on which world. */
export type RunPlace = Pick<train.RunOptions, 'steps' | 'folder' | 'saveEvery' | 'signal' | 'world'>;

/** What stages work with: the recipe, the networks made so far, and a run folder for each stage. */
export class StudyRun {
  readonly recipe: Recipe;
  readonly world: World;
  readonly folder: string;
  readonly weights: string;
  readonly text: WorldText;
  readonly signal: AbortSignal | undefined;
  #owned: { dispose(): void }[] = [];

  constructor({ recipe, world, folder, signal }: StudyPlace) {
    this.recipe = recipe;
    this.world = world;
    this.folder = folder;
    this.weights = weightsFolder({ folder });
    this.text = world.text({ seed: recipe.seed, ...recipe.text });
    this.signal = signal;
  }

  has(name: string): boolean {
    return hasNetwork(this.weights, name);
  }

  /** Reads a finished network, which is released with the stage. */
  async load<Config>(name: string, architecture: Architecture<Config>): Promise<Net<Config>> {
    return this.own(await loadNetwork(this.weights, name, architecture));
  }

  /** The world's reward that phase 2 climbs; released with the stage. */
  async loadReward(): Promise<Reward> {
    const reward = await this.loadJudge('reward');
    if (reward) return reward;
    throw new Error(`the world "${this.world.id}" has no judge "reward" for phase 2 to climb; give it one`);
  }

  /** A judge of the world that computes a reward, null where there is none; released with the stage. */
  async loadJudge(id: string): Promise<Reward | null> {
    const judge = this.world.judges.find((one) => one.id === id);
    if (!judge?.reward) return null;
    return this.own(judge.reward(await loadNetwork(this.weights, judge.id, judge.architecture)));
  }

  async save<Config>(name: string, net: Net<Config>, facts: Readonly<Record<string, string>> = {}): Promise<void> {
    await mkdir(this.weights, { recursive: true });
    await saveNetwork(this.weights, name, net, { seed: String(this.recipe.seed), ...facts });
  }

  /** Something to release when the stage ends. */
  own<T extends { dispose(): void }>(owned: T): T {
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
    const { id, options } = this.world;
    const place = { folder: join(this.folder, stage), saveEvery: 200, world: { id, options } };
    const run = { steps: total, ...place, ...(signal && { signal }) };
    for await (const { step, stepMs: _, clippedShare: __, probed, ...values } of start(run)) {
      yield { stage, done: step, total, values: { ...values, ...probed } };
    }
    signal?.throwIfAborted();
  }

  /** Releases what the stage held. */
  release(): void {
    for (const owned of this.#owned) owned.dispose();
    this.#owned = [];
    this.text.dispose();
  }
}
