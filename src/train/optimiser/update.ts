import { type CompileStatus, compile, current } from '../../engine/index.ts';
import { type Tensor, tf } from '../../engine/tf.ts';
import { gradientsOf, type Objective } from './gradients.ts';
import type { Learner } from './learner.ts';

/** The numbers of one update, read back together. */
export interface UpdateResult {
  loss: number;
  /** Total 2-norm of the gradients before clipping. */
  gradNorm: number;
  /** 1 if the gradients were scaled down, else 0. */
  clipped: number;
  /** Further values that the objective reported. */
  values: Record<string, number>;
}

/** One update of a learner on a batch, whose tensors stay the caller's. */
export interface Update<Batch extends readonly unknown[]> {
  (...batch: Batch): Promise<UpdateResult>;
  /** How often the step was recorded and replayed; null where it is not compiled. */
  status(): CompileStatus | null;
  /** Release the compiled graphs. */
  dispose(): void;
}

/** How an update runs. */
export interface UpdateOptions {
  /** Record the whole step once and replay it; turn it off for objectives that no plan can hold. @defaultValue true */
  compiled?: boolean;
}

/**
 * Make the update of a learner: objective, gradients, clipping, AdamW and average in one graph with one value read.
 * Whatever changes between calls must come in through the batch as tensors, since the graph is recorded and replayed.
 * The update throws when the loss or the norm is not finite.
 */
export function makeUpdate<Batch extends readonly unknown[]>(
  learner: Learner,
  objective: (...batch: Batch) => Objective,
  { compiled = true }: UpdateOptions = {},
): Update<Batch> {
  let names: string[] = [];
  const graph = (numbers: Tensor, ...batch: Batch): Tensor =>
    tf.tidy(() => {
      const { loss, values, gradients } = gradientsOf(learner.weights, () => objective(...batch));
      const { norm, clipped } = learner.apply(gradients, numbers);
      names = Object.keys(values);
      const row = tf.stack([loss, norm, clipped, ...Object.values(values)].map((value) => value.asScalar()));
      tf.dispose({ ...values });
      return row;
    });
  const { run, status, dispose } = replayable(graph, compiled);
  const update = async (...batch: Batch): Promise<UpdateResult> => {
    const numbers = tf.tensor1d(learner.next());
    const row = run(numbers, ...batch);
    const read = await row.data<'float32'>();
    tf.dispose([numbers, row]);
    return checked(learner, toResult(names, read));
  };
  return Object.assign(update, { status, dispose });
}

/** A function of tensors that runs compiled where that is possible. */
export interface Replayable<A extends readonly unknown[], R> {
  run(...args: A): R;
  status(): CompileStatus | null;
  dispose(): void;
}

/** Compile for the engine in use; a program that works on plain TensorFlow.js gets the function as it is. */
export function replayable<A extends readonly unknown[], R>(
  graph: (...args: A) => R,
  compiled: boolean = true,
): Replayable<A, R> {
  if (!compiled || current() === null) return { run: graph, status: () => null, dispose: () => undefined };
  const made = compile(graph);
  return { run: made, status: () => made.status(), dispose: () => made.dispose() };
}

function toResult(
  names: readonly string[],
  [loss = 0, gradNorm = 0, clipped = 0, ...rest]: Float32Array,
): UpdateResult {
  return { loss, gradNorm, clipped, values: Object.fromEntries(names.map((name, i) => [name, rest[i] ?? 0])) };
}

function checked(learner: Learner, result: UpdateResult): UpdateResult {
  if (Number.isFinite(result.loss) && Number.isFinite(result.gradNorm)) return result;
  throw new Error(
    `${learner.name}: loss ${result.loss}, gradient norm ${result.gradNorm} at update ${learner.step}: training has ` +
      'diverged; continue from the last checkpoint with a lower learning rate or a smaller clip',
  );
}

/** The numbers of a generator under names of their own, to stand beside its critic's. */
export function asGenerator({ loss, gradNorm, clipped, values }: UpdateResult): UpdateResult {
  return { loss, gradNorm, clipped, values: { ...values, generatorLoss: loss, generatorGradNorm: gradNorm } };
}
