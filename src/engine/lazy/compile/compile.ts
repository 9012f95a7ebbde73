/**
 * `engine.compile` on engines that run graphs. A call is recorded as usual and its outcome noted; when two calls in a
 * row with arguments of the same kind have the same outcome, the compiled graph is replayed from then on: bind the
 * arguments and variables, run, hand out the results, assign the variables.
 */
import type { Tensor } from '@tensorflow/tfjs';
import type { Compiled, CompileStatus, TensorFunction } from '../../engine.ts';
import { engineState, tf } from '../../tf.ts';
import type { GraphBackend } from '../backend.ts';
import { describeArguments } from './container.ts';
import { Plan, StalePlan } from './plan.ts';
import { Refusal, sameOutcome, Trace } from './trace.ts';

/** Plans kept by one function: a rollout needs one for each place in its video. */
const maxPlans = 64;

/** A function with its plans, by the kind of its arguments. */
export class CompiledFunction<A extends readonly unknown[], R> {
  readonly #backend: GraphBackend;
  readonly #fn: TensorFunction<A, R>;
  readonly #plans = new Map<string, Plan>();
  #replayed = 0;
  #recorded = 0;
  #reason: string | null = null;

  constructor(backend: GraphBackend, fn: TensorFunction<A, R>) {
    this.#backend = backend;
    this.#fn = fn;
  }

  call(args: A): R {
    if (this.#backend.recorder.observer || engineState().gradientDepth > 0) return this.#run(args);
    const { key, tensors } = describeArguments(args);
    const plan = this.#plans.get(key);
    if (!plan?.ready) return this.#record(args, key, tensors);
    try {
      const result = plan.replay(tensors) as R;
      this.#replayed++;
      return result;
    } catch (error) {
      if (!(error instanceof StalePlan)) throw error;
      this.#drop(key);
      return this.#record(args, key, tensors);
    }
  }

  #run(args: A): R {
    return tf.tidy(() => this.#fn(...args) as never) as R;
  }

  #record(args: A, key: string, tensors: readonly Tensor[]): R {
    const { recorder } = this.#backend;
    this.#recorded++;
    const trace = new Trace(this.#backend, tensors);
    recorder.observer = trace;
    try {
      const result = this.#run(args);
      recorder.flush(() => this.#learn(key, trace, result));
      return result;
    } finally {
      recorder.observer = null;
    }
  }

  /** Keeps the outcome of a call; the second equal one in a row makes the plan ready. */
  #learn(key: string, trace: Trace, result: unknown): void {
    const before = this.#plans.get(key);
    try {
      const outcome = trace.outcome(result);
      this.#reason = null;
      if (before && sameOutcome(before.outcome, outcome, this.#backend)) before.ready = true;
      else this.#keep(key, new Plan(outcome, this.#backend), before !== undefined);
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
      this.#reason = error.message;
      this.#drop(key);
    }
  }

  #keep(key: string, plan: Plan, isChanged: boolean): void {
    if (isChanged) this.#reason = 'a number, an array or the structure differed from the call before';
    this.#drop(key);
    this.#plans.set(key, plan);
    for (const oldest of this.#plans.keys()) {
      if (this.#plans.size <= maxPlans) break;
      this.#drop(oldest);
    }
  }

  #drop(key: string): void {
    this.#plans.get(key)?.release();
    this.#plans.delete(key);
  }

  /** The function itself. */
  asFunction(): Compiled<A, R> {
    const call = (...args: A): R => this.call(args);
    return Object.assign(call, { status: () => this.status(), dispose: () => this.dispose() });
  }

  status(): CompileStatus {
    const plans = [...this.#plans.values()].filter((plan) => plan.ready).length;
    return { replayed: this.#replayed, recorded: this.#recorded, plans, reason: this.#reason };
  }

  dispose(): void {
    for (const key of [...this.#plans.keys()]) this.#drop(key);
  }
}
