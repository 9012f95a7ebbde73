import { type Tensor, tf } from '../../engine/tf.ts';
import { type WanConfig, wanCausalForward } from '../../model/internal.ts';
import { type HostFloats, type Key, type Net, random, toTensor } from '../../nn/index.ts';
import { blockRanges, blocksOf, velocityToX0 } from '../../sampler/internal.ts';
import {
  checkBatch,
  checkEncoder,
  checkNet,
  checkSeed,
  checkSource,
  checkWhole,
  type Source,
  type TextEncoder,
  withTensors,
} from '../ingredients.ts';
import { drawBlockIndices, odeLoss, pickStates, spread } from '../losses.ts';
import { Learner } from '../optimiser/learner.ts';
import { settleTraining } from '../optimiser/learner-options.ts';
import { makeUpdate, replayable, type UpdateResult } from '../optimiser/update.ts';
import { runStage, type Stage, type TrainingOptions, type TrainStep } from '../run/stage.ts';

/** Trajectories of the teacher's ODE from noise to clip. */
export interface TrajectoryBatch {
  /** States `[B, M, F, H, W, C]`, the last one clean. */
  states: HostFloats;
  /** Noise level of each of the M states; the last is 0. */
  sigmas: ArrayLike<number>;
  prompts: readonly string[];
}

export interface OdeIngredients {
  /** The causal student; its configuration says how frames fall into blocks. */
  student: Net<WanConfig>;
  data: Source<TrajectoryBatch>;
  text: TextEncoder;
  /** Trajectories per step. */
  batch: number;
  /** Whether blocks may also be clean context, which does not count in the loss (CausVid's list). @defaultValue false */
  includeClean?: boolean;
}

export interface OdeOptions extends TrainingOptions, OdeIngredients {}

/**
 * Phase 1: regress the causal student onto the teacher's trajectories. Each block of each clip enters at a state drawn
 * on its own, `x_i = x_i^{(m_i)}`, `t_i = 1000·σ_{m_i}`, in one masked causal pass; the loss is the squared error of
 * the clean estimate over noisy frames. Changes the student's weights in place. Source: CausVid, section 4.1;
 * Reward-Forcing, phase 1.
 *
 * @example for await (const { loss } of train.ode({ student, data, text, batch: 8, lr: 1e-3, steps: 100, seed: 0 })) {}
 */
export function ode(options: OdeOptions): AsyncGenerator<TrainStep, void, void> {
  return runStage(() => prepare(settle(options)), options);
}

function settle(options: OdeOptions) {
  const ingredients = settleIngredients(options);
  const { student } = ingredients;
  return { ...settleTraining(student, options), ...ingredients };
}

function settleIngredients({ student, data, text, batch, includeClean = false }: OdeIngredients) {
  return {
    student: checkNet('student', student),
    data: checkSource('data', data),
    text: checkEncoder(text),
    batch: checkBatch(batch),
    includeClean: Boolean(includeClean),
  };
}

function prepare(settings: ReturnType<typeof settle>): Stage {
  const { student } = settings;
  const learner = new Learner('student', student, settings);
  const update = makeUpdate(learner, (entry: Entry) => ({ loss: regression(student, entry) }));
  const step: Stage['step'] = async (_, key) => {
    const entry = await drawEntry(settings, key);
    return { updates: [await withTensors<Entry, UpdateResult>(entry, update)], values: {} };
  };
  return { name: 'ode', settings, learners: [learner], step, dispose: update.dispose };
}

export interface OdeValidationOptions extends OdeIngredients {
  seed: number | string;
  /** Batches averaged over; the same ones for the same seed. */
  batches: number;
}

/** The regression loss on held-out trajectories, without an update: when it stops falling, phase 1 is done. */
export async function heldOutOdeLoss(options: OdeValidationOptions): Promise<number> {
  const ingredients = settleIngredients(options);
  const batches = checkWhole('batches', options.batches, 1);
  const key = random.key(checkSeed(options.seed)).stream('held-out');
  const { run, dispose } = replayable((entry: Entry) => tf.tidy(() => regression(ingredients.student, entry)));
  let sum = 0;
  for (let index = 0; index < batches; index++) {
    sum += await withTensors<Entry, number>(await drawEntry(ingredients, key.stream(index)), async (entry) => {
      const loss = run(entry);
      const [value = Number.NaN] = await loss.data();
      loss.dispose();
      return value;
    });
  }
  dispose();
  return sum / batches;
}

/** A batch as tensors: states `[B, M, F, H, W, C]`, index and noise level of each frame `[B, F]`, text states. */
interface Entry {
  states: Tensor;
  indices: Tensor;
  sigma: Tensor;
  context: Tensor;
}

function regression(student: Net<WanConfig>, { states, indices, sigma, context }: Entry): Tensor {
  const x = pickStates(states, indices);
  const t = tf.mul(sigma, 1000); // [B, F]
  const velocity = wanCausalForward(student, { x, t: ofPatches(t, student.config.patch_size[0]), context });
  return odeLoss(velocityToX0(x, velocity, spread(sigma, x)), lastState(states), t);
}

/** Timesteps `[B, F]` of latent frames as those of patches of `length` frames, `[B, F / length]`. */
function ofPatches(t: Tensor, length: number): Tensor {
  if (length === 1) return t;
  const [batch, frames] = t.shape as [number, number];
  return tf.squeeze(tf.slice(tf.reshape(t, [batch, frames / length, length]), [0, 0, 0], [-1, -1, 1]), [2]);
}

async function drawEntry(
  { student, data, text, batch, includeClean }: ReturnType<typeof settleIngredients>,
  key: Key,
): Promise<Entry> {
  const { states, sigmas, prompts } = await data(key.stream('data'), batch);
  checkTrajectories(states, sigmas);
  const blocks = blockRanges(states.shape[2] as number, blocksOf(student.config)).map(({ frames }) => frames);
  const entries = includeClean ? sigmas.length : sigmas.length - 1;
  const rows = drawBlockIndices(key.stream('index'), { batch, blocks, entries });
  const context = await text.encode(prompts);
  return {
    states: toTensor(states),
    indices: tf.tensor2d(rows, undefined, 'int32'),
    sigma: tf.tensor2d(rows.map((row) => row.map((index) => sigmas[index] as number))),
    context,
  };
}

/** The clean end of trajectories `[B, M, F, ...]` → `[B, F, ...]`. */
function lastState(states: Tensor): Tensor {
  return tf.squeeze(tf.slice(states, [0, (states.shape[1] as number) - 1], [-1, 1]), [1]);
}

function checkTrajectories(states: HostFloats, sigmas: ArrayLike<number>): void {
  const count = states.shape[1];
  if (states.shape.length === 6 && count === sigmas.length && sigmas[sigmas.length - 1] === 0) return;
  throw new RangeError(
    `trajectories: states of shape [${states.shape}] with sigmas [${Array.from(sigmas)}]; give [B, M, F, H, W, C] with ` +
      'one sigma for each of the M states, the last one 0 (clean)',
  );
}
