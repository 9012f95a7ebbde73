/**
 * `engine.compile` on the onnx engine. A call is recorded as usual and its outcome noted; when two calls in a row
 * with arguments of the same kind have the same outcome, the graph's session is replayed from then on: bind the
 * arguments and variables, Run, hand out the results, assign the variables.
 */
import type { Tensor, Variable } from '@tensorflow/tfjs';
import type { Compiled as CompiledFunction, CompileStatus, TensorFunction } from '../engine.ts';
import { engineState } from '../state.ts';
import { tf } from '../tf.ts';
import type { OnnxBackend } from './backend.ts';
import { describeArguments, fromTemplate } from './container.ts';
import { Pointers } from './ort.ts';
import { type Origin, type Outcome, Refusal, sameOutcome, Trace } from './plan.ts';
import { type TensorType, Value } from './value.ts';

/** Plans kept by one function: a rollout needs one for each place in its video. */
const maxPlans = 64;

/** The data that a plan was made from is gone, or it failed: record again. */
class StalePlan extends Error {}

function constantsOf(origins: readonly Origin[]): Value[] {
  return origins.flatMap((origin) => (origin.kind === 'constant' ? [origin.value] : []));
}

/** An outcome whose session and constants are held until `release`. */
class Plan {
  ready = false;
  readonly outcome: Outcome;
  private readonly backend: OnnxBackend;
  private readonly held: Value[];
  private readonly inputs: Pointers;
  private readonly outputs: Pointers;
  private readonly uploads: number[];

  constructor(outcome: Outcome, backend: OnnxBackend) {
    this.outcome = outcome;
    this.backend = backend;
    outcome.compiled.users++;
    // data made inside the function lives on here; data of outer tensors stays theirs, and the plan ends with it
    const given = [...outcome.results, ...outcome.assigned.map(({ origin }) => origin)];
    this.held = [...constantsOf(outcome.sources).filter((value) => value.refs <= 0), ...constantsOf(given)];
    for (const value of this.held) value.holds++;
    this.uploads = this.uploadScalars();
    this.inputs = new Pointers(outcome.sources.length + this.uploads.length);
    this.outputs = new Pointers(outcome.outputs.length);
    this.uploads.forEach((pointer, i) => {
      this.inputs.set(outcome.sources.length + i, pointer);
    });
  }

  /** Scalars that the session takes as inputs are constants of this plan. */
  private uploadScalars(): number[] {
    const { compiled, scalars } = this.outcome;
    const { recorder } = this.backend;
    return scalars.filter((_, i) => compiled.dynamic[i]).map(({ value }) => recorder.uploadScalar(value));
  }

  release(): void {
    const { recorder } = this.backend;
    for (const pointer of this.uploads) recorder.runtime.releaseValue(pointer);
    for (const value of this.held) {
      value.holds--;
      if (value.refs <= 0) recorder.free(value);
    }
    recorder.sessions.release(this.outcome.compiled);
  }

  /** Runs the graph on these arguments. Throws StalePlan when it cannot. */
  replay(args: readonly Tensor[]): unknown {
    this.bind(args);
    const { compiled, outputs } = this.outcome;
    this.outputs.reset(outputs.length);
    try {
      this.backend.recorder.runtime.run(compiled.session, this.inputs, this.outputs);
    } catch (cause) {
      throw new StalePlan('the run failed', { cause });
    }
    return this.distribute(args);
  }

  private bind(args: readonly Tensor[]): void {
    const { recorder } = this.backend;
    const values = this.outcome.sources.map((origin) => this.sourceValue(origin, args));
    recorder.flush();
    for (let i = 0; i < values.length; i++) {
      const value = values[i]!;
      if (value.scalar !== undefined) recorder.materialize(value);
      if (value.error) throw value.error;
      if (value.pointer === 0) throw new StalePlan('data of the plan was freed');
      this.inputs.set(i, value.pointer);
    }
  }

  private sourceValue(origin: Origin, args: readonly Tensor[]): Value {
    if (origin.kind === 'argument') return this.backend.valueFor(args[origin.index]!);
    if (origin.kind === 'variable') return this.backend.valueFor(origin.variable);
    if (origin.kind === 'constant') return origin.value;
    throw new StalePlan('an output cannot be a source');
  }

  /** Results first (they may refer to variables as they were), then the variables. */
  private distribute(args: readonly Tensor[]): unknown {
    const { assigned, results, template } = this.outcome;
    const made: (Tensor | undefined)[] = [];
    const useCount = this.countUses();
    const tensors = results.map((origin) => this.tensorOf(origin, args, made, useCount));
    const sources = assigned.map(({ variable, origin }) =>
      this.canSwap(variable, origin, useCount) ? null : this.tensorOf(origin, args, made, useCount),
    );
    assigned.forEach(({ variable, origin }, i) => {
      const source = sources[i];
      if (!source) this.swap(variable, origin);
      else assignAndDispose(variable, source, args);
    });
    return fromTemplate(template, tensors);
  }

  private countUses(): number[] {
    const { assigned, results, outputs } = this.outcome;
    const counts = outputs.map(() => 0);
    for (const origin of results) if (origin.kind === 'output') counts[origin.index]!++;
    for (const { origin } of assigned) if (origin.kind === 'output') counts[origin.index]!++;
    return counts;
  }

  /** An output used once, for a variable whose data nobody shares, replaces that data in place. */
  private canSwap(variable: Variable, origin: Origin, useCount: readonly number[]): boolean {
    if (origin.kind !== 'output' || useCount[origin.index] !== 1) return false;
    const value = this.backend.valueFor(variable);
    return value.refs === 1 && value.holds === 0;
  }

  private swap(variable: Variable, origin: Origin): void {
    const value = this.backend.valueFor(variable);
    const { recorder } = this.backend;
    recorder.free(value);
    value.scalar = undefined;
    value.error = null;
    if (origin.kind === 'output') recorder.fill(value, this.outputs.get(origin.index));
  }

  /** A tensor for one use of an origin; the caller owns it. Arguments are returned as they are. */
  private tensorOf(
    origin: Origin,
    args: readonly Tensor[],
    made: (Tensor | undefined)[],
    useCount: readonly number[],
  ): Tensor {
    if (origin.kind === 'argument') return args[origin.index]!;
    if (origin.kind === 'variable') return origin.variable.clone();
    if (origin.kind === 'constant') return this.wrap(origin.value);
    const first = made[origin.index];
    if (first) return first.clone();
    const { shape, dtype } = this.outcome.outputs[origin.index]!;
    const tensor = this.wrap(this.newValue(shape, dtype, this.outputs.get(origin.index)));
    if (useCount[origin.index]! > 1) made[origin.index] = tensor;
    return tensor;
  }

  private newValue(shape: number[], dtype: TensorType, pointer: number): Value {
    const value = new Value(shape, dtype);
    this.backend.recorder.fill(value, pointer);
    return value;
  }

  private wrap(value: Value): Tensor {
    return tf.engine().makeTensorFromTensorInfo(this.backend.handle(value));
  }
}

function assignAndDispose(variable: Variable, source: Tensor, args: readonly Tensor[]): void {
  variable.assign(source as never);
  if (!args.includes(source)) source.dispose();
}

/** A function with its plans, by the kind of its arguments. */
class CompiledOnnx<A extends readonly unknown[], R> {
  private readonly backend: OnnxBackend;
  private readonly fn: TensorFunction<A, R>;
  private readonly plans = new Map<string, Plan>();
  private replayed = 0;
  private recorded = 0;
  private reason: string | null = null;

  constructor(backend: OnnxBackend, fn: TensorFunction<A, R>) {
    this.backend = backend;
    this.fn = fn;
  }

  call(args: A): R {
    if (this.backend.recorder.observer || engineState().gradientDepth > 0) return this.run(args);
    const { key, tensors } = describeArguments(args);
    const plan = this.plans.get(key);
    if (!plan?.ready) return this.record(args, key, tensors);
    try {
      const result = plan.replay(tensors) as R;
      this.replayed++;
      return result;
    } catch (error) {
      if (!(error instanceof StalePlan)) throw error;
      this.drop(key);
      return this.record(args, key, tensors);
    }
  }

  private run(args: A): R {
    return tf.tidy(() => this.fn(...args) as never) as R;
  }

  private record(args: A, key: string, tensors: readonly Tensor[]): R {
    const { recorder } = this.backend;
    this.recorded++;
    const trace = new Trace(this.backend, tensors);
    recorder.observer = trace;
    try {
      const result = this.run(args);
      recorder.flush(() => this.learn(key, trace, result));
      return result;
    } finally {
      recorder.observer = null;
    }
  }

  /** Keeps the outcome of a call; the second equal one in a row makes the plan ready. */
  private learn(key: string, trace: Trace, result: unknown): void {
    const before = this.plans.get(key);
    try {
      const outcome = trace.outcome(result);
      this.reason = null;
      if (before && sameOutcome(before.outcome, outcome, this.backend)) before.ready = true;
      else this.keep(key, new Plan(outcome, this.backend), before !== undefined);
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
      this.reason = error.message;
      this.drop(key);
    }
  }

  private keep(key: string, plan: Plan, isChanged: boolean): void {
    if (isChanged) this.reason = 'a number, an array or the structure differed from the call before';
    this.drop(key);
    this.plans.set(key, plan);
    for (const oldest of this.plans.keys()) {
      if (this.plans.size <= maxPlans) break;
      this.drop(oldest);
    }
  }

  private drop(key: string): void {
    this.plans.get(key)?.release();
    this.plans.delete(key);
  }

  status(): CompileStatus {
    const plans = [...this.plans.values()].filter((plan) => plan.ready).length;
    return { replayed: this.replayed, recorded: this.recorded, plans, reason: this.reason };
  }

  dispose(): void {
    for (const key of [...this.plans.keys()]) this.drop(key);
  }
}

/** See `compile` in src/engine/select.ts. */
export function compileFunction<A extends readonly unknown[], R>(
  backend: OnnxBackend,
  fn: TensorFunction<A, R>,
): CompiledFunction<A, R> {
  const compiled = new CompiledOnnx(backend, fn);
  return Object.assign((...args: A): R => compiled.call(args), {
    status: () => compiled.status(),
    dispose: () => compiled.dispose(),
  });
}
