import { type Tensor, tf } from '../../engine/tf.ts';
import { type HostFloats, type Key, random, toTensor } from '../../nn/index.ts';
import { type BlockOptions, blockRanges, velocityToX0 } from '../../sampler/index.ts';
import { type EncodeText, learnerConfig, type Network, type Source, withTensors } from '../ingredients.ts';
import { spread } from '../losses/flow-matching.ts';
import { drawBlockIndices, odeLoss, pickStates } from '../losses/ode-loss.ts';
import { type Average, Learner, type LearnerOptions } from '../optimiser/learner.ts';
import { makeUpdate, replayable, type UpdateResult } from '../optimiser/update.ts';
import { type RunOptions, runStage, type Stage, type TrainStep } from '../run/stage.ts';

/** Trajectories of the teacher's ODE from noise to clip. */
export interface TrajectoryBatch {
  /** States `[B, M, F, H, W, C]`, the last one clean. */
  states: HostFloats;
  /** Noise level of each of the M states; the last is 0. */
  sigmas: ArrayLike<number>;
  prompts: readonly string[];
}

/** What ODE regression is computed from. */
export interface OdeIngredients extends BlockOptions {
  /** The causal student with its masked forward: each block sees itself and those before it. */
  student: Network;
  data: Source<TrajectoryBatch>;
  encodeText: EncodeText;
  /** Trajectories per step. */
  batch: number;
  /** Whether blocks may also be clean context, which does not count in the loss (CausVid's list). @defaultValue false */
  includeClean?: boolean;
}

/** What phase 1, ODE regression, takes. */
export interface OdeOptions extends RunOptions, LearnerOptions, OdeIngredients {
  /** Weights that follow the student as a moving average, made by `ema.init`. */
  average?: Average;
}

/**
 * Phase 1: regress the causal student onto the teacher's trajectories. Each block of each clip enters at a state drawn
 * on its own, `x_i = x_i^{(m_i)}`, `t_i = 1000·σ_{m_i}`, in one masked causal pass; the loss is the squared error of
 * the clean estimate over noisy frames. Changes the student's weights in place. Source: CausVid, section 4.1;
 * Reward-Forcing, phase 1.
 */
export function ode(options: OdeOptions): AsyncGenerator<TrainStep, void, void> {
  return runStage(() => prepare(options), options);
}

function prepare(options: OdeOptions): Stage {
  const { student, average = null, batch, includeClean = false } = options;
  const learner = new Learner('student', student.weights, options, average);
  const update = makeUpdate(learner, (entry: Entry) => ({ loss: regression(student, entry) }));
  const step: Stage['step'] = async (_, key) => [
    await withTensors<Entry, UpdateResult>(await drawEntry(options, key), (entry) => update(entry)),
  ];
  const { framesPerBlock, independentFirstFrame = false } = options;
  const config = { ...learnerConfig(options, average), batch, includeClean, framesPerBlock, independentFirstFrame };
  return { name: 'ode', config, learners: [learner], step, dispose: update.dispose };
}

/** What held-out trajectories are measured with. */
export interface OdeValidationOptions extends OdeIngredients {
  seed: number | string;
  /** Batches averaged over; the same ones for the same seed. */
  batches: number;
}

/** The regression loss on held-out trajectories, without an update: when it stops falling, phase 1 is done. */
export async function heldOutOdeLoss(options: OdeValidationOptions): Promise<number> {
  const key = random.key(options.seed).stream('held-out');
  const { run, dispose } = replayable((entry: Entry) => tf.tidy(() => regression(options.student, entry)));
  let sum = 0;
  for (let index = 0; index < options.batches; index++) {
    sum += await withTensors<Entry, number>(await drawEntry(options, key.stream(index)), async (entry) => {
      const loss = run(entry);
      const [value = Number.NaN] = await loss.data();
      loss.dispose();
      return value;
    });
  }
  dispose();
  return sum / options.batches;
}

/** A batch as tensors: states `[B, M, F, H, W, C]`, index and noise level of each frame `[B, F]`, text states. */
interface Entry {
  states: Tensor;
  indices: Tensor;
  sigma: Tensor;
  context: Tensor;
}

function regression({ weights, forward }: Network, { states, indices, sigma, context }: Entry): Tensor {
  const x = pickStates(states, indices);
  const t = tf.mul(sigma, 1000); // [B, F]
  const estimate = velocityToX0(x, forward(weights, { x, t, context }), spread(sigma, x));
  return odeLoss(estimate, lastState(states), t);
}

async function drawEntry(options: OdeIngredients, key: Key): Promise<Entry> {
  const { batch, includeClean = false } = options;
  const { states, sigmas, prompts } = await options.data(key.stream('data'), batch);
  checkTrajectories(states, sigmas);
  const blocks = blockRanges(states.shape[2] as number, options).map(({ frames }) => frames);
  const entries = includeClean ? sigmas.length : sigmas.length - 1;
  const rows = drawBlockIndices(key.stream('index'), { batch, blocks, entries });
  return {
    states: toTensor(states),
    indices: tf.tensor2d(rows, undefined, 'int32'),
    sigma: tf.tensor2d(rows.map((row) => row.map((index) => sigmas[index] as number))),
    context: options.encodeText(prompts),
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
