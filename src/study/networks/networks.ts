/** The trained networks of a study as one value: what notebooks generate with, train from and judge by. */
import * as engine from '../../engine/index.ts';
import { type VaeConfig, vae as vaeArchitecture, type WanConfig, wan } from '../../model/internal.ts';
import type { Net } from '../../nn/index.ts';
import type { Reward } from '../../reward/index.ts';
import type { Schedule, VideoModel } from '../../sampler/index.ts';
import type { Source } from '../../train/index.ts';
import {
  type Judges,
  promptSource,
  type Recipe,
  type World,
  type WorldJudge,
  type WorldText,
} from '../../world/index.ts';
import { worldOf } from '../../world/internal.ts';
import { hasReward, loadNetwork } from './files.ts';
import { type Manifest, readManifest, shippedFolder, verifyWeights } from './manifest.ts';
import {
  clipLatentShape,
  type LatentShape,
  type Phase1Settings,
  type Phase2Settings,
  phase1Settings,
  phase2Settings,
  type SamplingKind,
  studentSchedule,
  videoModel,
} from './settings.ts';

/** The networks of the method. */
interface MethodNetworks {
  vae: Net<VaeConfig>;
  teacher: Net<WanConfig>;
  distilled: Net<WanConfig>;
  /** The causal student after phase 1. */
  ode: Net<WanConfig>;
  /** The causal student after phase 2; null on a world without a reward. */
  rewardForcing: Net<WanConfig> | null;
}

/** A judge of the world with its network, which the reward owns where there is one. */
interface TrainedJudge {
  readonly net: Net<unknown>;
  readonly reward: Reward | null;
}

/** The trained judges of a world. */
export class TrainedJudges implements Judges {
  readonly #judges: ReadonlyMap<string, TrainedJudge>;

  private constructor(judges: ReadonlyMap<string, TrainedJudge>) {
    this.#judges = judges;
  }

  /** Reads those of a folder. */
  static async load(folder: string, { judges }: World): Promise<TrainedJudges> {
    const loaded = new Map<string, TrainedJudge>();
    for (const judge of judges) {
      const net = await loadNetwork(folder, judge.id, judge.architecture);
      loaded.set(judge.id, { net, reward: judge.reward?.(net) ?? null });
    }
    return new TrainedJudges(loaded);
  }

  reward(id: string): Reward {
    const found = this.#judges.get(id)?.reward;
    if (found) return found;
    throw new Error(`judge: the world has no reward "${id}"; give it one among its judges, or name another`);
  }

  net<Config>({ id }: Pick<WorldJudge<Config>, 'id'>): Net<Config> {
    const found = this.#judges.get(id);
    if (found) return found.net as Net<Config>;
    throw new Error(`judge: no network "${id}" was trained; give it to the world among its judges`);
  }

  /** SHA-256 of each file, by id. */
  get checksums(): Record<string, string> {
    return Object.fromEntries([...this.#judges].map(([id, { net }]) => [id, net.about.sha256 ?? '']));
  }

  dispose(): void {
    for (const { net, reward } of this.#judges.values()) (reward ?? net).dispose();
  }
}

/** What a study trained: its networks by plain names, and what every call with them needs. */
export class Networks {
  readonly recipe: Recipe;
  readonly world: World;
  readonly text: WorldText;
  readonly judges: TrainedJudges;
  readonly vae: Net<VaeConfig>;
  readonly teacher: Net<WanConfig>;
  readonly distilled: Net<WanConfig>;
  /** The causal student after phase 1. */
  readonly ode: Net<WanConfig>;
  readonly #rewardForcing: Net<WanConfig> | null;

  private constructor(recipe: Recipe, world: World, nets: MethodNetworks, judges: TrainedJudges) {
    this.recipe = recipe;
    this.world = world;
    this.text = world.text({ seed: recipe.seed, ...recipe.text });
    this.judges = judges;
    this.vae = nets.vae;
    this.teacher = nets.teacher;
    this.distilled = nets.distilled;
    this.ode = nets.ode;
    this.#rewardForcing = nets.rewardForcing;
  }

  /**
   * Reads all networks of a folder.
   *
   * @throws Error naming the file that is missing, damaged, or whose tensors do not fit its configuration.
   */
  static async load(folder: string, recipe: Recipe, world: World = worldOf(recipe.world)): Promise<Networks> {
    const vae = await loadNetwork(folder, 'vae', vaeArchitecture);
    const [teacher, distilled, ode, rewardForcing] = await Promise.all([
      loadNetwork(folder, 'teacher', wan),
      loadNetwork(folder, 'distilled', wan),
      loadNetwork(folder, 'ode', wan),
      hasReward(world) ? loadNetwork(folder, 'reward-forcing', wan) : null,
    ]);
    const judges = await TrainedJudges.load(folder, world);
    return new Networks(recipe, world, { vae, teacher, distilled, ode, rewardForcing }, judges);
  }

  /** The causal student after phase 2. */
  get rewardForcing(): Net<WanConfig> {
    if (this.#rewardForcing) return this.#rewardForcing;
    throw new Error(`rewardForcing: the world "${this.world.id}" has no reward, so there was no phase 2; give it one`);
  }

  /** What phase 2 climbs. */
  get reward(): Reward {
    return this.judges.reward('reward');
  }

  /** The second judge, which nothing was trained on. */
  get judge(): Reward {
    return this.judges.reward('judge');
  }

  /** [F, h, w, z] of a clip's latents. */
  get latentShape(): LatentShape {
    return clipLatentShape(this);
  }

  /** The student's denoising schedule. */
  get schedule(): Schedule {
    return studentSchedule(this.recipe);
  }

  /** Random captions that training may show. */
  get prompts(): Source<readonly string[]> {
    return promptSource(this.world);
  }

  /** SHA-256 of each file, by the name of the network. */
  get checksums(): Readonly<Record<string, string>> {
    const { vae, teacher, distilled, ode } = this;
    const last = this.#rewardForcing && { 'reward-forcing': this.#rewardForcing };
    const method = { vae, teacher, distilled, ode, ...last };
    const sums = Object.entries(method).map(([name, { about }]) => [name, about.sha256 ?? ''] as const);
    return { ...Object.fromEntries(sums), ...this.judges.checksums };
  }

  /**
   * A network as `sampler.generate` takes it, sampled as the recipe says: with decoder, text, size and schedule. The
   * teacher and the distilled network make whole clips, any other is a causal student, unless `kind` says otherwise.
   *
   * @example const clips = await sampler.generateClips(nets.video(nets.rewardForcing), { prompts, key })
   */
  video(net: Net<WanConfig>, kind?: SamplingKind): VideoModel {
    const own = net === this.teacher ? 'teacher' : net === this.distilled ? 'distilled' : 'student';
    return videoModel(this, net, kind ?? own);
  }

  /**
   * All that `train.ode` takes beside the student and its trajectories, as the recipe says.
   *
   * @example train.ode({ ...nets.phase1(), student, data, steps: 60 })
   */
  phase1(): Phase1Settings {
    return phase1Settings(this);
  }

  /**
   * All that `train.reward` takes beside the student, as the recipe says: decoder, reward, prompts, text, schedule.
   *
   * @example train.reward({ ...nets.phase2(), student, frames: 'last', steps: 30 })
   */
  phase2(): Phase2Settings {
    return phase2Settings(this);
  }

  /** Releases all weights. */
  dispose(): void {
    for (const owner of [this.vae, this.teacher, this.distilled, this.ode, this.#rewardForcing]) owner?.dispose();
    this.judges.dispose();
    this.text.dispose();
  }
}

/** How {@link open} opens a folder of weights. */
export interface OpenOptions {
  /** Engine to start; a parameter of a notebook is any text, and one that names no engine is refused. @defaultValue the one in use, or `auto` */
  readonly engine?: engine.EngineName | 'auto' | (string & {});
  /** Threads of an engine that is started here. @defaultValue as many as there are cores */
  readonly threads?: number | undefined;
  /** The world that the weights were trained on, where it does not come with the package. */
  readonly world?: World;
}

/** Networks with the manifest of their folder. */
export type OpenedNetworks = Networks & { readonly manifest: Manifest };

/**
 * Opens a folder of weights: starts an engine, checks every file against the manifest, and loads the networks.
 *
 * @param folder - by default the weights that the package ships
 * @throws Error naming the file that is missing, damaged or not the manifest's.
 * @example
 * const nets = await study.open();
 * const clips = nets.world.prompts('all', 4); // captions to generate
 */
export async function open(folder: string = shippedFolder(), options: OpenOptions = {}): Promise<OpenedNetworks> {
  const { engine: name, threads } = options;
  const manifest = await readManifest(folder);
  const world = options.world ?? worldOf(manifest.recipe.world);
  verifyWeights(folder, manifest, world);
  if (name !== undefined || threads !== undefined || engine.current() === null) {
    await engine.use((name ?? 'auto') as engine.EngineName, threads === undefined ? {} : { threads });
  }
  return Object.assign(await Networks.load(folder, manifest.recipe, world), { manifest });
}
