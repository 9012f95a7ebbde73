import { type CompileStatus, compile, current } from '../../engine/index.ts';
import { type Tensor, tf } from '../../engine/tf.ts';
import type { Learner, LearnerNumbers } from './learner.ts';
import { type Gradients, gradientsOf, type Objective } from './optimiser.ts';

export interface UpdateResult<Name extends string = string> {
  loss: number;
  /** Total 2-norm of the gradients before clipping. */
  gradNorm: number;
  /** 1 if the gradients were scaled down, else 0. */
  clipped: number;
  values: Record<Name, number>;
}

/** One update of a learner on a batch, whose tensors stay the caller's. */
export interface Update<Batch extends readonly unknown[], Name extends string = string> {
  (...batch: Batch): Promise<UpdateResult<Name>>;
  /** How often the step was recorded and replayed; null where it is not compiled. */
  status(): CompileStatus | null;
  dispose(): void;
}

export interface UpdateOptions {
  /** Record the whole step once and replay it; turn it off for objectives that no plan can hold. @defaultValue true */
  compiled?: boolean;
  /**
   * What happens to gradients between their making and their use, such as the mean over several processes. The step
   * then runs in two graphs instead of one. What it is given is released after the update, what it makes with it.
   */
  reduce?: (gradients: Gradients) => Gradients | Promise<Gradients>;
}

/**
 * Make the update of a learner: gradients, clipping, optimiser and average in one graph with one value read, or in two
 * with `reduce` between them. Whatever changes between calls must come in through the batch as tensors, since the
 * graph is recorded and replayed. The update throws when the loss or the norm is not finite.
 *
 * @example
 * const update = makeUpdate(learner, (x: Tensor, y: Tensor) => ({ loss: tf.mean(tf.square(tf.sub(model(x), y))) }));
 * const { loss } = await update(x, y);
 */
export function makeUpdate<Batch extends readonly unknown[], Name extends string = never>(
  learner: Learner,
  objective: (...batch: Batch) => Objective<Name>,
  { compiled = true, reduce }: UpdateOptions = {},
): Update<Batch, Name> {
  const { run, status, dispose } = reduce
    ? inTwo(learner, objective, reduce, compiled)
    : inOne(learner, objective, compiled);
  const update = async (...batch: Batch): Promise<UpdateResult<Name>> => {
    const { lr, step, keep, take } = learner.next();
    const numbers = tf.tensor1d([lr, step, keep, take]);
    const { names, row } = await run(numbers, batch);
    const read = await row.data<'float32'>();
    tf.dispose([numbers, row]);
    return checked(learner, toResult(names, read));
  };
  return Object.assign(update, { status, dispose });
}

/** A step as it runs: `row` `[3 + N]` holds loss, norm, whether it was clipped, and the values named. */
interface Composed<Batch, Name> {
  run(numbers: Tensor, batch: Batch): Promise<{ names: readonly Name[]; row: Tensor }>;
  status(): CompileStatus | null;
  dispose(): void;
}

function inOne<Batch extends readonly unknown[], Name extends string>(
  learner: Learner,
  objective: (...batch: Batch) => Objective<Name>,
  compiled: boolean,
): Composed<Batch, Name> {
  let names: Name[] = [];
  const graph = (numbers: Tensor, ...batch: Batch): Tensor =>
    tf.tidy(() => {
      const { loss, values, gradients } = gradientsOf(learner.parameters, () => objective(...batch));
      const { norm, clipped } = learner.apply(gradients, unpacked(numbers));
      names = Object.keys(values) as Name[];
      const row = rowOf([loss, norm, clipped, ...Object.values<Tensor>(values)]);
      tf.dispose({ ...values });
      return row;
    });
  const { run, status, dispose } = replayable(graph, compiled);
  return { run: async (numbers, batch) => ({ row: run(numbers, ...batch), names }), status, dispose };
}

function inTwo<Batch extends readonly unknown[], Name extends string>(
  learner: Learner,
  objective: (...batch: Batch) => Objective<Name>,
  reduce: NonNullable<UpdateOptions['reduce']>,
  compiled: boolean,
): Composed<Batch, Name> {
  let [names, parameters]: [Name[], string[]] = [[], []];
  const differentiate = replayable((...batch: Batch): Tensor[] => {
    const { loss, values, gradients } = gradientsOf(learner.parameters, () => objective(...batch));
    [names, parameters] = [Object.keys(values) as Name[], [...gradients.keys()]];
    return [loss, ...Object.values<Tensor>(values), ...gradients.values()];
  }, compiled);
  const apply = replayable(
    (numbers: Tensor, loss: Tensor, values: Tensor[], gradients: Tensor[]): Tensor =>
      tf.tidy(() => {
        const named = new Map(parameters.map((name, i) => [name, gradients[i]!]));
        const { norm, clipped } = learner.apply(named, unpacked(numbers));
        return rowOf([loss, norm, clipped, ...values]);
      }),
    compiled,
  );
  const run = async (numbers: Tensor, batch: Batch): Promise<{ names: readonly Name[]; row: Tensor }> => {
    const [loss, ...rest] = differentiate.run(...batch) as [Tensor, ...Tensor[]];
    const [values, own] = [rest.slice(0, names.length), rest.slice(names.length)];
    const reduced = await reduce(new Map(parameters.map((name, i) => [name, own[i]!])));
    const all = parameters.map((name) => reduced.get(name)!);
    const row = apply.run(numbers, loss, values, all);
    tf.dispose([loss, ...rest, ...all]);
    return { names, row };
  };
  const dispose = (): void => {
    differentiate.dispose();
    apply.dispose();
  };
  return { run, status: apply.status, dispose };
}

function unpacked(numbers: Tensor): LearnerNumbers<Tensor> {
  const [lr, step, keep, take] = tf.unstack(numbers) as [Tensor, Tensor, Tensor, Tensor];
  return { lr, step, keep, take };
}

function rowOf(values: readonly Tensor[]): Tensor {
  return tf.stack(values.map((value) => value.asScalar()));
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

function toResult<Name extends string>(
  names: readonly Name[],
  [loss = 0, gradNorm = 0, clipped = 0, ...rest]: Float32Array,
): UpdateResult<Name> {
  const values = Object.fromEntries(names.map((name, i) => [name, rest[i] ?? 0])) as Record<Name, number>;
  return { loss, gradNorm, clipped, values };
}

function checked<Result extends UpdateResult>(learner: Learner, result: Result): Result {
  if (Number.isFinite(result.loss) && Number.isFinite(result.gradNorm)) return result;
  throw new Error(
    `${learner.name}: loss ${result.loss}, gradient norm ${result.gradNorm} at update ${learner.step}: training has ` +
      'diverged; continue from the last checkpoint with a lower learning rate or a smaller clip',
  );
}
