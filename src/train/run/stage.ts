import { setImmediate } from 'node:timers/promises';
import { flush } from '../../engine/index.ts';
import type { HostTensor } from '../../io/index.ts';
import { type Key, random } from '../../nn/index.ts';
import { checksumOf } from '../../nn/internal.ts';
import { checkFunction, checkNumber, checkSeed, checkText, checkWhole } from '../ingredients.ts';
import type { Learner } from '../optimiser/learner.ts';
import type { Average, LearnerOptions } from '../optimiser/learner-options.ts';
import type { UpdateResult } from '../optimiser/update.ts';
import { brief, checkSharing, environment, type Json, recordOf, startsOf } from './record.ts';
import { RunFolder } from './run-folder.ts';

/** What every stage is told about its run. */
export interface RunOptions {
  /** Number of steps in total, those of earlier sessions in the same folder included. */
  steps: number;
  /** Of all randomness: step `k` draws from streams of (seed, stage, k), so no generator state is stored. */
  seed: number | string;
  /** Run folder; without it nothing is written. */
  folder?: string;
  /** Which world data and prompts come from, for the record: functions cannot be recorded. */
  world?: Json;
  /** Steps between checkpoints; the last step has one too. @defaultValue 50 */
  saveEvery?: number;
  /** Newest checkpoints kept. @defaultValue 2 */
  keepLast?: number;
  /** Stops the run between two steps, with a checkpoint. */
  signal?: AbortSignal;
  /** What is measured beside the training every few steps, and logged with them. */
  probe?: Probe;
  /** Hears of damaged checkpoints. @defaultValue `process.emitWarning` */
  onWarning?: (message: string) => void;
}

/**
 * Numbers that are measured beside a training: the losses of steps are those of different data, what a probe measures may
 * be the same each time. It draws from keys of its own, so that a run has the same bits with and without it.
 *
 * @example { every: 20, measure: async () => ({ reward: await rewardOfFixedPrompts(student) }) }
 */
export interface Probe {
  /** Steps from one measurement to the next; the first step has one, too. */
  every: number;
  measure(step: number): Promise<Readonly<Record<string, number>>>;
}

/** What a stage that trains one network is told. */
export interface TrainingOptions extends RunOptions, LearnerOptions {
  average?: Average;
}

/** What every stage yields after each step, beside numbers of its own. */
export interface TrainStep {
  /** Number of this step, from 1. */
  step: number;
  loss: number;
  /** Total 2-norm of the gradients before clipping. */
  gradNorm: number;
  /** Share of this step's updates whose gradients were clipped. */
  clippedShare: number;
  /** What the probe measured after this step; only at its steps. */
  probed?: Readonly<Record<string, number>>;
  /** Duration in milliseconds; not part of `metrics.jsonl`, which must be reproducible. */
  stepMs: number;
}

/** What a step came to: its updates, of which the first is reported as loss and norm, and the stage's own numbers. */
export interface StepResult<Step extends TrainStep = TrainStep> {
  updates: readonly [UpdateResult, ...UpdateResult[]];
  values: Omit<Step, keyof TrainStep>;
}

/** A stage ready to run: what it trains and one step of it. */
export interface Stage<Step extends TrainStep = TrainStep> {
  readonly name: string;
  /**
   * What the stage runs by, defaults included; a run folder records it and is continued only under the same. Nets in it
   * are recorded by checksum, judges by their `info`; a net that is trained stands under its learner's name.
   */
  readonly settings: object;
  readonly learners: readonly Learner[];
  /** One step with the randomness of `key`. */
  step(step: number, key: Key): Promise<StepResult<Step>>;
  /** Release compiled graphs and whatever else the stage holds beside its learners. */
  dispose(): void;
}

/**
 * Run a stage: resume from the run folder if there is one, then step by step; each is logged before it is yielded.
 * Whoever stops early (`break`, `return`, an abort) gets a checkpoint of the last whole step. A failed step saves
 * nothing. `make` is called when the run starts; the moments it allocates are released when the run ends.
 *
 * @throws RangeError or TypeError naming the option that cannot be, Error for a folder of another run.
 */
export async function* runStage<Step extends TrainStep>(
  make: () => Stage<Step>,
  options: RunOptions,
): AsyncGenerator<Step, void, void> {
  const settled = settleRun(options);
  const stage = make();
  let run: Run<Step> | null = null;
  try {
    checkSharing(stage.settings, stage.learners);
    run = await Run.start(stage, settled);
    flush(); // moments and averages that are still pending would make the first step's graph one of its own
    yield* run.steps();
  } finally {
    await run?.finish();
    stage.dispose();
    for (const learner of stage.learners) learner.dispose();
  }
}

type RunSettings = RunOptions & Required<Pick<RunOptions, 'saveEvery' | 'keepLast'>>;

function settleRun(options: RunOptions): RunSettings {
  const { saveEvery = 50, keepLast = 2, folder, onWarning, probe } = options;
  checkWhole('steps', options.steps, 1);
  checkSeed(options.seed);
  checkWhole('saveEvery', saveEvery, 1);
  checkWhole('keepLast', keepLast, 1);
  if (folder !== undefined) checkText('folder', folder);
  if (onWarning !== undefined) checkFunction('onWarning', onWarning, '(message) => void');
  if (probe !== undefined) {
    checkWhole('probe.every', probe.every, 1);
    checkFunction('probe.measure', probe.measure, '(step) => Promise<{ name: number }>');
  }
  return { ...options, saveEvery, keepLast };
}

class Run<Step extends TrainStep> {
  readonly #stage: Stage<Step>;
  readonly #options: RunSettings;
  readonly #folder: RunFolder | null;
  #done: number;
  #saved: number;
  /** Updates of each learner after the last whole step. */
  #updates: readonly number[];

  private constructor(stage: Stage<Step>, options: RunSettings, folder: RunFolder | null) {
    this.#stage = stage;
    this.#options = options;
    this.#folder = folder;
    this.#done = folder?.resumePoint?.step ?? 0;
    this.#saved = this.#done;
    this.#updates = updatesOf(stage);
  }

  static async start<Step extends TrainStep>(stage: Stage<Step>, options: RunSettings): Promise<Run<Step>> {
    if (options.folder === undefined) return new Run(stage, options, null);
    const { settings, learners, name } = stage;
    const { seed, world } = options;
    const config = { stage: name, seed, world, ...(await recordOf(settings, learners)), environment: environment() };
    const starts = await startsOf(learners);
    const folder = await RunFolder.open(options.folder, { ...options, config, starts });
    try {
      for (const learner of learners) await resume(learner, folder, starts[learner.name]!);
      return new Run(stage, options, folder);
    } catch (error) {
      await folder.close();
      throw error;
    }
  }

  async *steps(): AsyncGenerator<Step, void, void> {
    const { steps, seed, saveEvery, signal } = this.#options;
    const key = random.key(seed).stream(this.#stage.name);
    while (this.#done < steps && !signal?.aborted) {
      const report = await this.#step(this.#done + 1, key.stream(this.#done + 1));
      if (this.#done % saveEvery === 0) await this.#save();
      yield report;
      await setImmediate(); // lets timers, signals and interrupts in
    }
  }

  async #step(step: number, key: Key): Promise<Step> {
    const start = performance.now();
    const { updates, values } = await this.#stage.step(step, key);
    const stepMs = performance.now() - start;
    const [{ loss, gradNorm }] = updates;
    const clippedShare = updates.reduce((sum, { clipped }) => sum + clipped, 0) / updates.length;
    const probed = await this.#probed(step);
    const metrics = { step, loss, gradNorm, clippedShare, ...(probed && { probed }) };
    await this.#folder?.log({ ...metrics, values: { ...(values as Record<string, number>) } }, stepMs);
    this.#done = step;
    this.#updates = updatesOf(this.#stage);
    return { ...metrics, stepMs, ...values } as Step; // what `Omit` took off `Step` is put back
  }

  async #probed(step: number): Promise<Record<string, number> | null> {
    const { probe } = this.#options;
    if (!probe || (step !== 1 && step % probe.every !== 0)) return null;
    const values = { ...(await probe.measure(step)) };
    for (const [name, value] of Object.entries(values)) checkNumber(`probe.measure: ${name}`, value);
    return values;
  }

  async #save(): Promise<void> {
    if (!this.#folder || this.#saved === this.#done) return;
    const tensors = new Map<string, Map<string, HostTensor>>();
    for (const learner of this.#stage.learners) {
      for (const [file, entries] of await learner.tensors()) tensors.set(file, entries);
    }
    const { engine, versions } = environment();
    const { seed } = this.#options;
    await this.#folder.save(tensors, { step: this.#done, stage: this.#stage.name, seed, engine, versions });
    this.#saved = this.#done;
  }

  /** Save what is whole, unless a step failed after it had begun to change weights, and close the folder. */
  async finish(): Promise<void> {
    try {
      const isWhole = updatesOf(this.#stage).every((count, i) => count === this.#updates[i]);
      if (isWhole) await this.#save();
    } finally {
      await this.#folder?.close();
    }
  }
}

function updatesOf({ learners }: { readonly learners: readonly Learner[] }): number[] {
  return learners.map(({ step }) => step);
}

/**
 * Take the state of the folder's checkpoint into a learner, if there is one. Its weights must be those that the run
 * started from, or those of the checkpoint (a notebook's cell run again): others would be lost without a word.
 */
async function resume(learner: Learner, { path, starts, resumePoint }: RunFolder, now: string): Promise<void> {
  const { name } = learner;
  const saved = resumePoint && checksumOf(await resumePoint.read(name));
  if (now !== starts[name] && now !== saved) {
    const known = saved === null ? 'has no checkpoint yet' : `has saved ${brief(saved)} at step ${resumePoint?.step}`;
    throw new Error(
      `${name}: its weights (${brief(now)}) are not those of the run in ${path}, which started from ` +
        `${brief(starts[name])} and ${known}: give one of these, or another folder`,
    );
  }
  if (resumePoint) await learner.restore(resumePoint.read);
}
