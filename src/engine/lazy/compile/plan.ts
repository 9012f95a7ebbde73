/** A plan: what a call of a compiled function did, ready to be done again on other arguments. */
import type { Tensor, Variable } from '@tensorflow/tfjs';
import { Pointers, Value } from '../../graph/index.ts';
import { tf } from '../../tf.ts';
import type { GraphBackend } from '../backend.ts';
import { fromTemplate } from './container.ts';
import type { Origin, Outcome } from './trace.ts';

/** The data that a plan was made from is gone, or it failed: record again. */
export class StalePlan extends Error {}

function constantsOf(origins: readonly Origin[]): Value[] {
  return origins.flatMap((origin) => (origin.kind === 'constant' ? [origin.value] : []));
}

/** An outcome whose session and constants are held until `release`. */
export class Plan {
  ready = false;
  readonly outcome: Outcome;
  readonly #backend: GraphBackend;
  readonly #held: Value[];
  readonly #inputs: Pointers;
  readonly #outputs: Pointers;
  readonly #uploads: number[];
  /** Variable of each source whose old data an assignment may replace in place; undefined for the others. */
  readonly #replaced: readonly (Variable | undefined)[];
  readonly #spent: Uint8Array;

  constructor(outcome: Outcome, backend: GraphBackend) {
    this.outcome = outcome;
    this.#backend = backend;
    outcome.compiled.users++;
    // data made inside the function lives on here; data of outer tensors stays theirs, and the plan ends with it
    const given = [...outcome.results, ...outcome.assigned.map(({ origin }) => origin)];
    this.#held = [...constantsOf(outcome.sources).filter((value) => value.refs <= 0), ...constantsOf(given)];
    for (const value of this.#held) value.holds++;
    this.#uploads = this.#uploadScalars();
    this.#replaced = outcome.sources.map((origin) => replacedBy(origin, outcome));
    this.#spent = new Uint8Array(outcome.sources.length);
    this.#inputs = new Pointers(outcome.sources.length + this.#uploads.length);
    this.#outputs = new Pointers(outcome.outputs.length);
    this.#uploads.forEach((pointer, i) => {
      this.#inputs.set(outcome.sources.length + i, pointer);
    });
  }

  /** Scalars that the session takes as inputs are constants of this plan. */
  #uploadScalars(): number[] {
    const { compiled, scalars } = this.outcome;
    const { recorder } = this.#backend;
    return scalars.filter((_, i) => compiled.dynamic[i]).map(({ value }) => recorder.uploadScalar(value));
  }

  release(): void {
    const { recorder } = this.#backend;
    for (const pointer of this.#uploads) recorder.runtime.releaseValue(pointer);
    for (const value of this.#held) {
      value.holds--;
      if (value.refs <= 0) recorder.free(value);
    }
    recorder.executables.release(this.outcome.compiled);
  }

  /** Runs the graph on these arguments. Throws StalePlan when it cannot. */
  replay(args: readonly Tensor[]): unknown {
    this.#bind(args);
    const { compiled, outputs } = this.outcome;
    this.#outputs.reset(outputs.length);
    try {
      compiled.executable.run(this.#inputs, this.#outputs, this.#spent);
    } catch (cause) {
      throw new StalePlan('the run failed', { cause });
    }
    return this.#distribute(args);
  }

  #bind(args: readonly Tensor[]): void {
    const { recorder } = this.#backend;
    const values = this.outcome.sources.map((origin) => this.#sourceValue(origin, args));
    recorder.flush();
    for (let i = 0; i < values.length; i++) {
      const value = values[i]!;
      if (value.scalar !== undefined) recorder.materialize(value);
      if (value.error) throw value.error;
      if (value.pointer === 0) throw new StalePlan('data of the plan was freed');
      this.#inputs.set(i, value.pointer);
      this.#spent[i] = recorder.runtime.donates && this.#replaced[i] && isUnshared(value) ? 1 : 0;
    }
  }

  #sourceValue(origin: Origin, args: readonly Tensor[]): Value {
    if (origin.kind === 'argument') return this.#backend.valueFor(args[origin.index]!);
    if (origin.kind === 'variable') return this.#backend.valueFor(origin.variable);
    if (origin.kind === 'constant') return origin.value;
    throw new StalePlan('an output cannot be a source');
  }

  /** Results first (they may refer to variables as they were), then the variables. */
  #distribute(args: readonly Tensor[]): unknown {
    const { assigned, results, template } = this.outcome;
    const made: (Tensor | undefined)[] = [];
    const tensors = results.map((origin) => this.#tensorOf(origin, args, made));
    const sources = assigned.map(({ variable, origin }) =>
      this.#canSwap(variable, origin) ? null : this.#tensorOf(origin, args, made),
    );
    assigned.forEach(({ variable, origin }, i) => {
      const source = sources[i];
      if (!source) this.#swap(variable, origin);
      else assignAndDispose(variable, source, args);
    });
    return fromTemplate(template, tensors);
  }

  /** An output used once, for a variable whose data nobody shares, replaces that data in place. */
  #canSwap(variable: Variable, origin: Origin): boolean {
    if (origin.kind !== 'output' || this.outcome.outputs[origin.index]!.uses !== 1) return false;
    return isUnshared(this.#backend.valueFor(variable));
  }

  #swap(variable: Variable, origin: Origin): void {
    const value = this.#backend.valueFor(variable);
    const { recorder } = this.#backend;
    recorder.free(value);
    value.scalar = undefined;
    value.error = null;
    if (origin.kind === 'output') recorder.fill(value, this.#outputs.get(origin.index));
  }

  /** A tensor for one use of an origin; the caller owns it. Arguments are returned as they are. */
  #tensorOf(origin: Origin, args: readonly Tensor[], made: (Tensor | undefined)[]): Tensor {
    if (origin.kind === 'argument') return args[origin.index]!;
    if (origin.kind === 'variable') return origin.variable.clone();
    if (origin.kind === 'constant') return this.#wrap(origin.value);
    const first = made[origin.index];
    if (first) return first.clone();
    const { shape, dtype, uses } = this.outcome.outputs[origin.index]!;
    const value = new Value(shape, dtype);
    this.#backend.recorder.fill(value, this.#outputs.get(origin.index));
    const tensor = this.#wrap(value);
    if (uses > 1) made[origin.index] = tensor;
    return tensor;
  }

  #wrap(value: Value): Tensor {
    return tf.engine().makeTensorFromTensorInfo(this.#backend.handle(value));
  }
}

/** Whether one tensor and no plan holds the data. */
function isUnshared(value: Value): boolean {
  return value.refs === 1 && value.holds === 0;
}

/** The variable that a source is, where an output replaces it and no result or other variable gets it as it was. */
function replacedBy(source: Origin, { assigned, results, outputs }: Outcome): Variable | undefined {
  if (source.kind !== 'variable') return undefined;
  const { variable } = source;
  const isWanted = (origin: Origin): boolean => origin.kind === 'variable' && origin.variable === variable;
  if (results.some(isWanted) || assigned.some(({ origin }) => isWanted(origin))) return undefined;
  const next = assigned.find((each) => each.variable === variable)?.origin;
  return next?.kind === 'output' && outputs[next.index]!.uses === 1 ? variable : undefined;
}

function assignAndDispose(variable: Variable, source: Tensor, args: readonly Tensor[]): void {
  variable.assign(source as never);
  if (!args.includes(source)) source.dispose();
}
