/**
 * What one call of a function did, in terms that hold for the next: which data entered the recorded graph, and where
 * its outputs went. Two calls that did the same make a plan that can be replayed.
 */
import type { Tensor, Variable } from '@tensorflow/tfjs';
import {
  type CompiledGraph,
  type Flushed,
  type Observer,
  sameShape,
  type TensorType,
  type Value,
} from '../../graph/index.ts';
import { engineState } from '../../tf.ts';
import type { GraphBackend } from '../backend.ts';
import { toTemplate } from './container.ts';

/** Where a tensor comes from: the arguments, a variable, an output of the graph, or data that never changes. */
export type Origin =
  | { readonly kind: 'argument'; readonly index: number }
  | { readonly kind: 'variable'; readonly variable: Variable }
  | { readonly kind: 'output'; readonly index: number }
  | { readonly kind: 'constant'; readonly value: Value };

export interface Outcome {
  readonly compiled: CompiledGraph;
  /** Origin of each leaf of the graph. */
  readonly sources: readonly Origin[];
  /** One-element host values, in the order of the graph. */
  readonly scalars: readonly { readonly value: Value; readonly number: number }[];
  /** What of an output a replay makes, and how often the results and assignments refer to it. */
  readonly outputs: readonly { readonly shape: number[]; readonly dtype: TensorType; readonly uses: number }[];
  /** Variables that were assigned, and what. */
  readonly assigned: readonly { readonly variable: Variable; readonly origin: Origin }[];
  /** The result: its form, and the origin of each tensor in it. */
  readonly template: unknown;
  readonly results: readonly Origin[];
}

export class Refusal extends Error {}

export class Trace implements Observer {
  reason: string | null = null;
  readonly #backend: GraphBackend;
  readonly #known = new Map<Value, Origin>();
  readonly #variables: Map<Variable, Value>;
  #flush: Flushed | null = null;
  #flushCount = 0;

  constructor(backend: GraphBackend, args: readonly Tensor[]) {
    this.#backend = backend;
    this.#variables = this.#currentVariables();
    for (const [variable, value] of this.#variables) this.#note(value, { kind: 'variable', variable });
    args.forEach((tensor, index) => {
      this.#note(backend.valueFor(tensor), { kind: 'argument', index });
    });
    backend.recorder.flush();
  }

  #note(value: Value, origin: Origin): void {
    this.#backend.recorder.materialize(value);
    this.#known.set(value, origin);
  }

  #currentVariables(): Map<Variable, Value> {
    const all = Object.values(engineState().registeredVariables);
    return new Map(all.map((variable) => [variable, this.#backend.valueFor(variable)]));
  }

  refused(reason: string): void {
    this.reason ??= reason;
  }

  /** What the function made itself lives on as a constant of the plan; variables as they were do not. */
  maySpend(value: Value): boolean {
    return this.#known.get(value)?.kind === 'variable';
  }

  flushed(flush: Flushed): void {
    this.#flush = flush;
    if (++this.#flushCount > 1) this.refused('it ran what was pending more than once (a read or engine.flush inside)');
  }

  /** What the call did. Throws a Refusal when that cannot be told or repeated. */
  outcome(result: unknown): Outcome {
    if (this.reason !== null) throw new Refusal(this.reason);
    if (!this.#flush) throw new Refusal('it computed nothing');
    const { graph, compiled } = this.#flush;
    const { template, tensors } = toTemplate(result);
    graph.outputs.forEach((value, index) => {
      this.#known.set(value, { kind: 'output', index });
    });
    const results = tensors.map((tensor) => this.#originOf(this.#backend.valueFor(tensor)));
    const assigned = this.#assignments();
    const uses = countUses(graph.outputs, [...results, ...assigned.map(({ origin }) => origin)]);
    return {
      compiled,
      sources: graph.leaves.map((leaf) => this.#originOf(leaf)),
      scalars: graph.scalars.map((value) => ({ value, number: value.scalar! })),
      outputs: graph.outputs.map(({ shape, dtype }, i) => ({ shape, dtype: dtype as TensorType, uses: uses[i]! })),
      assigned,
      template,
      results,
    };
  }

  #originOf(value: Value): Origin {
    return this.#known.get(value) ?? { kind: 'constant', value };
  }

  #assignments(): { variable: Variable; origin: Origin }[] {
    const after = this.#currentVariables();
    for (const variable of this.#variables.keys()) {
      if (!after.has(variable)) throw new Refusal(`it disposed of the variable ${variable.name}`);
    }
    const assigned: { variable: Variable; origin: Origin }[] = [];
    for (const [variable, value] of after) {
      const before = this.#variables.get(variable);
      if (!before) throw new Refusal(`it made the variable ${variable.name}`);
      if (before !== value) assigned.push({ variable, origin: this.#originOf(value) });
    }
    return assigned;
  }
}

/** Every reference to an output must be a result or an assignment, or it would miss the replay's data. */
function countUses(outputs: readonly Value[], origins: readonly Origin[]): number[] {
  const counts = outputs.map(() => 0);
  for (const origin of origins) if (origin.kind === 'output') counts[origin.index]!++;
  outputs.forEach(({ refs, shape }, i) => {
    if (refs !== counts[i]) throw new Refusal(`it keeps a tensor of shape [${shape}] that it does not return`);
  });
  return counts;
}

function sameContent(a: Value, b: Value, { recorder }: GraphBackend): boolean {
  if (a === b) return true;
  if (a.dtype !== b.dtype || !sameShape(a.shape, b.shape)) return false;
  const [x, y] = [a, b].map((value) => {
    const { buffer, byteOffset, byteLength } = recorder.read(value);
    return new Uint8Array(buffer, byteOffset, byteLength);
  });
  return Buffer.compare(x!, y!) === 0;
}

function sameOrigin(a: Origin, b: Origin | undefined, backend: GraphBackend): boolean {
  if (a.kind === 'constant') return b?.kind === 'constant' && sameContent(a.value, b.value, backend);
  if (a.kind === 'variable') return b?.kind === 'variable' && a.variable === b.variable;
  return b?.kind === a.kind && a.index === b.index;
}

/** Whether two calls did the same with the same constants. */
export function sameOutcome(a: Outcome, b: Outcome, backend: GraphBackend): boolean {
  const sameOrigins = (x: readonly Origin[], y: readonly Origin[]): boolean =>
    x.length === y.length && x.every((origin, i) => sameOrigin(origin, y[i], backend));
  return (
    a.compiled === b.compiled &&
    a.scalars.every(({ number }, i) => Object.is(number, b.scalars[i]?.number)) &&
    sameOrigins(a.sources, b.sources) &&
    sameOrigins(a.results, b.results) &&
    a.assigned.length === b.assigned.length &&
    a.assigned.every(({ variable, origin }, i) => {
      const other = b.assigned[i];
      return variable === other?.variable && sameOrigin(origin, other.origin, backend);
    })
  );
}
