import { setImmediate } from 'node:timers/promises';
import { flush } from '../../engine/index.ts';
import { tf } from '../../engine/tf.ts';
import type { HostTensor } from '../../io/index.ts';
import { type Key, random } from '../../nn/index.ts';
import type { Learner } from '../optimiser/learner.ts';
import type { UpdateResult } from '../optimiser/update.ts';
import { type Json, RunFolder } from './run-folder.ts';

/** What every stage is told about its run. */
export interface RunOptions {
  /** Number of steps in total, those of earlier sessions in the same folder included. */
  steps: number;
  /** Of all randomness: step `k` draws from streams of (seed, stage, k), so no generator state is stored. */
  seed: number | string;
  /** Run folder; without it nothing is written. */
  folder?: string;
  /** Steps between checkpoints; the last step has one too. @defaultValue 50 */
  saveEvery?: number;
  /** Newest checkpoints kept. @defaultValue 2 */
  keepLast?: number;
  /** Stops the run between two steps, with a checkpoint. */
  signal?: AbortSignal;
  /** Hears of damaged checkpoints. @defaultValue `process.emitWarning` */
  onWarning?: (message: string) => void;
}

/** What a stage yields after each step. */
export interface TrainStep {
  /** Number of this step, from 1. */
  step: number;
  loss: number;
  /** Total 2-norm of the gradients before clipping. */
  gradNorm: number;
  /** Share of this step's updates whose gradients were clipped. */
  clippedShare: number;
  /** Duration in milliseconds; not part of `metrics.jsonl`, which must be reproducible. */
  stepMs: number;
  /** Further numbers of the stage: `reward`, `criticLoss`, ... */
  values: Record<string, number>;
}

/** A stage ready to run: what it trains and one step of it. */
export interface Stage {
  readonly name: string;
  /** Settings that decide the result; a run folder is continued only under the same ones. */
  readonly config: { readonly [key: string]: Json | undefined };
  readonly learners: readonly Learner[];
  /** One step with the randomness of `key`; the first result is the one reported as loss and norm. */
  step(step: number, key: Key): Promise<readonly [UpdateResult, ...UpdateResult[]]>;
  /** Release compiled graphs and whatever else the stage holds beside its learners. */
  dispose(): void;
}

/**
 * Run a stage: resume from the run folder if there is one, then step by step; each is logged before it is yielded.
 * Whoever stops early (`break`, `return`, an abort) gets a checkpoint of the last whole step. A failed step saves
 * nothing. `make` is called when the run starts; the moments it allocates are released when the run ends.
 */
export async function* runStage(make: () => Stage, options: RunOptions): AsyncGenerator<TrainStep, void, void> {
  const stage = make();
  let run: Run | null = null;
  try {
    run = await Run.start(stage, options);
    flush(); // moments and averages that are still pending would make the first step's graph one of its own
    yield* run.steps();
  } finally {
    await run?.finish();
    stage.dispose();
    for (const learner of stage.learners) learner.dispose();
  }
}

/** One session of a stage: where it stands and what is saved. */
class Run {
  readonly #stage: Stage;
  readonly #options: RunOptions;
  readonly #folder: RunFolder | null;
  #done: number;
  #saved: number;
  #isWhole = true;

  private constructor(stage: Stage, options: RunOptions, folder: RunFolder | null) {
    this.#stage = stage;
    this.#options = options;
    this.#folder = folder;
    this.#done = folder?.resumePoint?.step ?? 0;
    this.#saved = this.#done;
  }

  static async start(stage: Stage, options: RunOptions): Promise<Run> {
    if (options.folder === undefined) return new Run(stage, options, null);
    const config = { stage: stage.name, seed: options.seed, ...stage.config };
    const folder = await RunFolder.open(options.folder, { ...options, config });
    try {
      if (folder.resumePoint) for (const learner of stage.learners) await learner.restore(folder.resumePoint.read);
    } catch (error) {
      await folder.close();
      throw error;
    }
    return new Run(stage, options, folder);
  }

  async *steps(): AsyncGenerator<TrainStep, void, void> {
    const { steps, seed, saveEvery = 50, signal } = this.#options;
    const key = random.key(seed).stream(this.#stage.name);
    while (this.#done < steps && !signal?.aborted) {
      const report = await this.#step(this.#done + 1, key.stream(this.#done + 1));
      if (this.#done % saveEvery === 0) await this.#save();
      yield report;
      await setImmediate(); // lets timers, signals and interrupts in
    }
  }

  async #step(step: number, key: Key): Promise<TrainStep> {
    const start = performance.now();
    this.#isWhole = false;
    const results = await this.#stage.step(step, key);
    const { stepMs, ...metrics } = summary(step, results, performance.now() - start);
    await this.#folder?.log(metrics, stepMs);
    this.#done = step;
    this.#isWhole = true;
    return { stepMs, ...metrics };
  }

  async #save(): Promise<void> {
    if (!this.#folder || this.#saved === this.#done) return;
    const tensors = new Map<string, Map<string, HostTensor>>();
    for (const learner of this.#stage.learners) {
      for (const [file, entries] of await learner.tensors()) tensors.set(file, entries);
    }
    const versions = { node: process.versions.node, tfjs: tf.version_core };
    const about = {
      step: this.#done,
      stage: this.#stage.name,
      seed: this.#options.seed,
      engine: tf.getBackend(),
      versions,
    };
    await this.#folder.save(tensors, about);
    this.#saved = this.#done;
  }

  /** Save what is whole and close the folder. */
  async finish(): Promise<void> {
    try {
      if (this.#isWhole) await this.#save();
    } finally {
      await this.#folder?.close();
    }
  }
}

function summary(step: number, results: readonly [UpdateResult, ...UpdateResult[]], stepMs: number): TrainStep {
  const [{ loss, gradNorm }] = results;
  const clippedShare = results.reduce((sum, { clipped }) => sum + clipped, 0) / results.length;
  const values = Object.assign({}, ...results.map((result) => result.values)) as Record<string, number>;
  return { step, loss, gradNorm, clippedShare, stepMs, values };
}
