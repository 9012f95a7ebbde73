/**
 * The whole method from nothing, stage by stage: autoencoder, teacher, distillation, trajectories, phase 1, reward and
 * judge, phase 2. Each stage runs in its own folder, resumes where it stopped, and leaves one file of weights.
 */
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { CLASSIFIER, initClassifier } from '../model/classifier/index.ts';
import { initWan, type WanConfig, wanCausalForward, wanForward } from '../model/index.ts';
import { initVae, type VaeConfig } from '../model/vae/index.ts';
import { type Key, random, type Weights } from '../nn/index.ts';
import {
  initSmallReward,
  SECOND_JUDGE,
  SMALL_REWARD,
  type SmallRewardConfig,
  validatePreferences,
} from '../reward/index.ts';
import {
  flowSchedule,
  openTrajectories,
  sampleTrajectories,
  statesFor,
  type TrajectoryStore,
  wanStudent,
} from '../sampler/index.ts';
import * as train from '../train/index.ts';
import { type Artefact, hasArtefact, loadArtefact, type NetworkName, saveArtefact } from './artefacts.ts';
import { clipLatentShape, guidedField, studentSchedule } from './generate.ts';
import type { Recipe } from './recipe.ts';
import { loadReward } from './rewards.ts';
import { textEncoder } from './text.ts';
import { trajectorySource } from './trajectories.ts';
import { clipBatch, encodeClips, type LatentBank, latentSource, promptSource, windowSource } from './world.ts';

/** Progress of the chain. */
export interface ChainProgress {
  stage: string;
  done: number;
  total: number;
  /** Numbers of the last step, for stages that train. */
  values: Record<string, number>;
}

const TRAJECTORY_BATCH = 16;

/** Where and how the chain runs. */
export interface ChainOptions {
  recipe: Recipe;
  /** Holds a run folder per stage and `weights/`. */
  folder: string;
  signal?: AbortSignal;
}

/** Runs every stage that has not left its weights yet, in order. */
export async function* runChain(options: ChainOptions): AsyncGenerator<ChainProgress, void> {
  await mkdir(weightsFolder(options), { recursive: true });
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

/** The folder of the finished weights of a run. */
export function weightsFolder({ folder }: Pick<ChainOptions, 'folder'>): string {
  return join(folder, 'weights');
}

type Progress = AsyncGenerator<ChainProgress, void>;

/** One run of the chain: its stages read what the earlier ones left. */
export class Chain {
  readonly #options: ChainOptions;
  readonly #recipe: Recipe;
  readonly #weights: string;
  readonly #encodeText: train.EncodeText;

  constructor(options: ChainOptions) {
    this.#options = options;
    this.#recipe = options.recipe;
    this.#weights = weightsFolder(options);
    this.#encodeText = textEncoder(options.recipe);
  }

  async *vae(): Progress {
    if (this.#has('vae')) return;
    const { seed, vae } = this.#recipe;
    const weights = initVae(vae.config, this.#key('vae'));
    const { klWeight, litWeight } = vae;
    const pixelWeight = { above: -0.5, weight: litWeight };
    yield* this.#train('vae', vae.train.steps, (run) =>
      train.vae({
        ...vae.train,
        ...run,
        seed,
        vae: { weights, config: vae.config },
        data: windowSource(this.#recipe),
        klWeight,
        pixelWeight,
      }),
    );
    const clips = Array.from({ length: 16 }, (_, i) => clipBatch(this.#recipe, 16 * i, 16).video);
    const { mean, std } = await train.latentStatistics({ weights, config: vae.config }, clips);
    await this.#save('vae', weights, { ...vae.config, latents_mean: mean, latents_std: std });
  }

  async *teacher(): Progress {
    if (this.#has('teacher')) return;
    const { seed, teacher } = this.#recipe;
    const bank = yield* this.#encode();
    const weights = initWan(teacher.config, this.#key('teacher'));
    const average = this.#average(weights, teacher.emaDecay);
    yield* this.#train('teacher', teacher.train.steps, (run) =>
      train.teacher({
        ...teacher.train,
        ...run,
        seed,
        average,
        sampling: teacher.sampling,
        teacher: bidirectional(weights, teacher.config),
        data: latentSource(bank),
        encodeText: this.#encodeText,
      }),
    );
    await this.#save('teacher', average.weights, teacher.config);
  }

  async *distil(): Progress {
    if (this.#has('distilled')) return;
    const { seed, distil } = this.#recipe;
    const { generator, critic } = distil;
    const { weights, config } = await this.#load<WanConfig>('teacher');
    const student = weights.clone();
    const average = this.#average(student, distil.emaDecay);
    yield* this.#train('distil', generator.steps, (run) =>
      train.distil({
        ...run,
        seed,
        average,
        batch: generator.batch,
        generator: bidirectional(student, config),
        generatorLearner: generator,
        critic: bidirectional(weights.clone(), config),
        criticLearner: critic,
        teacher: bidirectional(weights, config),
        prompts: promptSource(),
        encodeText: this.#encodeText,
        latentShape: clipLatentShape(this.#recipe),
        schedule: studentSchedule(this.#recipe),
        realGuidance: distil.guidance - 1,
        shift: this.#recipe.student.shift,
        generatorEvery: distil.generatorEvery,
      }),
    );
    await this.#save('distilled', average.weights, config);
  }

  async *trajectories(): Progress {
    const { seed, trajectories, sampling } = this.#recipe;
    const store = await this.#trajectoryStore();
    if (store.records().length >= trajectories.count) return;
    const teacher = await this.#load<WanConfig>('teacher');
    const prompts = await promptSource()(this.#key('trajectory-prompts'), trajectories.count);
    const jobs = prompts.map((prompt, i) => ({ id: `trajectory-${i}`, prompt, seed: i }));
    const grid = flowSchedule({ steps: trajectories.steps, shift: this.#recipe.student.shift });
    const settings = {
      store,
      teacher: (some: readonly string[]) => guidedField(teacher, this.#encodeText(some), sampling.guidanceScale),
      teacherId: teacher.sha256,
      guidanceScale: sampling.guidanceScale,
      key: random.key(seed),
      shape: clipLatentShape(this.#recipe),
      batch: TRAJECTORY_BATCH,
      steps: trajectories.steps,
      shift: this.#recipe.student.shift,
      keep: statesFor(studentSchedule(this.#recipe), grid),
      ...(this.#options.signal && { signal: this.#options.signal }),
    };
    for await (const { done, total } of sampleTrajectories(jobs, settings)) {
      yield { stage: 'trajectories', done, total, values: {} };
    }
  }

  async *ode(): Progress {
    if (this.#has('ode')) return;
    const { seed, ode } = this.#recipe;
    const { weights, config } = await this.#load<WanConfig>('distilled');
    const average = this.#average(weights, ode.emaDecay);
    const data = await trajectorySource(await this.#trajectoryStore());
    yield* this.#train('ode', ode.steps, (run) =>
      train.ode({
        ...ode,
        ...run,
        seed,
        average,
        student: causal(weights, config),
        data,
        encodeText: this.#encodeText,
        framesPerBlock: config.num_frame_per_block,
      }),
    );
    await this.#save('ode', average.weights, config);
  }

  /** The training reward and the held-out judge: same data, another seed and another stem. */
  async *judges(): Progress {
    yield* this.#preference('reward', SMALL_REWARD);
    yield* this.#preference('judge', SECOND_JUDGE);
  }

  async *#preference(name: 'reward' | 'judge', config: SmallRewardConfig): Progress {
    if (this.#has(name)) return;
    const { seed, reward } = this.#recipe;
    const weights = initSmallReward(config, this.#key(name));
    yield* this.#train(name, reward.preferenceSteps, (run) =>
      train.preference({ ...run, seed: `${seed}/${name}`, reward: { weights, config } }),
    );
    const { scale, accuracy } = await validatePreferences(weights, config);
    await this.#save(name, weights, config, {
      mean: String(scale.mean),
      std: String(scale.std),
      accuracy: String(accuracy),
    });
  }

  /** Phase 2 from the student of phase 1, with the reward on the chosen frames. */
  async *reward(name: NetworkName, frames: 'last' | 'first' | 'middle' | 'random' | 'all'): Progress {
    if (this.#has(name)) return;
    const { seed, reward } = this.#recipe;
    const { weights, config } = await this.#load<WanConfig>('ode');
    const vae = await this.#load<VaeConfig>('vae');
    const judge = await loadReward(this.#weights, 'reward');
    const average = this.#average(weights, reward.emaDecay);
    yield* this.#train(name, reward.train.steps, (run) =>
      train.reward({
        ...reward.train,
        ...run,
        seed,
        average,
        frames,
        student: { weights, bind: (context) => wanStudent(weights, config, context) },
        decoder: train.vaeDecoder(vae.weights, vae.config),
        reward: judge,
        prompts: promptSource(),
        encodeText: this.#encodeText,
        latentShape: clipLatentShape(this.#recipe),
        schedule: studentSchedule(this.#recipe),
      }),
    );
    await this.#save(name, average.weights, config);
  }

  async *classifier(): Progress {
    if (this.#has('classifier')) return;
    const { seed, reward } = this.#recipe;
    const weights = initClassifier(CLASSIFIER, this.#key('classifier'));
    yield* this.#train('classifier', reward.classifierSteps, (run) =>
      train.classifier({ ...run, seed, classifier: { weights } }),
    );
    await this.#save('classifier', weights, CLASSIFIER);
  }

  /** Runs a stage in its own folder and passes its numbers on. */
  async *#train(
    stage: string,
    total: number,
    start: (run: Pick<train.RunOptions, 'steps' | 'folder' | 'signal'>) => AsyncGenerator<train.TrainStep, void>,
  ): Progress {
    const { folder, signal } = this.#options;
    const run = { steps: total, folder: join(folder, stage), saveEvery: 200, ...(signal && { signal }) };
    for await (const { step, loss, gradNorm, values } of start(run)) {
      yield { stage, done: step, total, values: { loss, gradNorm, ...values } };
    }
    signal?.throwIfAborted();
  }

  async *#encode(): AsyncGenerator<ChainProgress, LatentBank> {
    const encoding = encodeClips(this.#recipe, await this.#load<VaeConfig>('vae'), this.#options.folder);
    for (;;) {
      const { done, value } = await encoding.next();
      if (done) return value;
      yield { stage: 'latents', done: value, total: this.#recipe.latents, values: {} };
    }
  }

  #trajectoryStore(): Promise<TrajectoryStore> {
    return openTrajectories(join(this.#options.folder, 'trajectories'));
  }

  #average(weights: Weights, decay: number): train.Average {
    return { weights: train.ema.init(weights), decay };
  }

  #key(name: string): Key {
    return random.key(this.#recipe.seed).stream('init').stream(name);
  }

  #has(name: NetworkName): boolean {
    return hasArtefact(this.#weights, name);
  }

  #load<Config>(name: NetworkName): Promise<Artefact<Config>> {
    return loadArtefact<Config>(this.#weights, name);
  }

  async #save(name: NetworkName, weights: Weights, config: object, about: Record<string, string> = {}): Promise<void> {
    await saveArtefact(this.#weights, name, { weights, config, about: { seed: String(this.#recipe.seed), ...about } });
  }
}

function bidirectional(weights: Weights, config: WanConfig): train.Network {
  return { weights, forward: (own, input) => wanForward(own, config, input) };
}

function causal(weights: Weights, config: WanConfig): train.Network {
  return { weights, forward: (own, input) => wanCausalForward(own, config, input) };
}
