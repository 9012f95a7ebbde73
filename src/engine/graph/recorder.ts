/**
 * The recorder: kernels append nodes, nothing runs until a value is read, `flush` is called or too much is
 * pending; then the needed nodes run as one graph of the engine.
 *
 *     kernel call -> GraphBuilder.node() -> Recorder.pending
 *     read/flush  -> liveNodes -> describeGraph -> Executables.obtain -> Executable.run -> Values get pointers
 *
 * - Only values that tensors refer to (`refs > 0`) leave the graph; dead nodes are dropped, equal nodes merged.
 * - Data disposed of while nodes are pending is released after the next flush.
 * - When a graph fails it is run again node by node: only the failing node and its dependents keep an error, thrown
 *   when they are read; it names the node, the kernel and, for kernels that can fail on data, the line that called.
 * - A compiled graph is found by structure, so a loop compiles its first round only. Work whose structure changes all
 *   the time (a growing cache) compiles all the time: pad to buckets. Long loops that read nothing should call
 *   `engine.flush()` once a round, so that every round is the same graph.
 *
 * To write a kernel see ../lazy/kernel.ts; to add nodes inside it see builder.ts.
 */
import { fileURLToPath } from 'node:url';
import { type CompiledGraph, Executables, type GraphRuntime, Pointers } from './executables.ts';
import { describeGraph, type Graph, liveNodes } from './graph.ts';
import type { Attributes, OperatorName } from './operators.ts';
import {
  arrayOf,
  Constants,
  type ElementType,
  type Node,
  type Operand,
  Operations,
  sizeOf,
  type TensorArray,
  type TensorType,
  Value,
} from './value.ts';

export interface RecorderOptions {
  /** Recorded operations that force a run. @defaultValue 20_000 */
  maxPending?: number;
  /** Compiled graphs kept. @defaultValue 256 */
  maxSessions?: number;
}

/** Bytes of disposed data that may wait for a flush. */
const maxWaitingBytes = 2 ** 30;

/** What one flush ran, as `engine.compile` needs it to run it again. */
export interface Flushed {
  readonly graph: Graph;
  readonly compiled: CompiledGraph;
}

/** Watches the flushes and reads while a function is traced. */
export interface Observer {
  flushed(flushed: Flushed): void;
  /** Something happened that a replay could not repeat. */
  refused(reason: string): void;
  /** Whether the data of a value that no tensor refers to any more is of no use to it either. */
  maySpend(value: Value): boolean;
}

/** A run failed that had taken over the data of its inputs: nothing is left to run again. */
class LostInputs extends Error {}

export class Recorder {
  readonly runtime: GraphRuntime;
  readonly constants: Constants = new Constants();
  readonly operations: Operations = new Operations();
  executables: Executables;
  /** Kernel being recorded and where it was called, noted on its nodes. */
  kernel = '';
  site: Error | null = null;
  observer: Observer | null = null;
  bytes = 0;
  flushes = 0;
  nodes = 0;
  #pending: Node[] = [];
  #waiting: Value[] = [];
  #waitingBytes = 0;
  readonly maxPending: number;
  readonly #inputs = new Pointers(1024);
  readonly #outputs = new Pointers(1024);

  constructor(runtime: GraphRuntime, options: RecorderOptions = {}) {
    this.runtime = runtime;
    this.maxPending = options.maxPending ?? 20_000;
    this.executables = new Executables(runtime, this.operations, this.constants, options.maxSessions ?? 256);
  }

  add(
    op: OperatorName,
    inputs: readonly Operand[],
    attributes: Attributes | null,
    shape: number[],
    dtype: ElementType,
  ): Value {
    const value = new Value(shape, dtype);
    this.push(op, inputs, attributes, [value]);
    return value;
  }

  push(op: OperatorName, inputs: readonly Operand[], attributes: Attributes | null, outputs: Value[]): void {
    const id = this.operations.intern(op, attributes);
    const node: Node = { op: id, inputs, outputs, kernel: this.kernel, site: this.site, live: false };
    for (let i = 0; i < outputs.length; i++) outputs[i]!.node = node;
    this.#pending.push(node);
  }

  /** Runs what is pending when the limits are reached. Called after each kernel, when its results are referred to. */
  limit(): void {
    if (this.observer) return;
    if (this.#pending.length >= this.maxPending || this.#waitingBytes > maxWaitingBytes) this.flush();
  }

  get pendingNodes(): number {
    return this.#pending.length;
  }

  /**
   * Runs all that is pending. Never throws for a failing node: its values carry the error. `beforeRelease` is called
   * when all is computed and nothing that was disposed of meanwhile is freed yet.
   */
  flush(beforeRelease?: () => void): void {
    const pending = this.#pending;
    this.#pending = [];
    const nodes = liveNodes(pending);
    try {
      if (nodes.length > 0) this.#execute(nodes);
    } catch (error) {
      if (error instanceof LostInputs) this.#fail(nodes, error);
      else this.#isolate(nodes);
    } finally {
      for (const node of pending) for (const output of node.outputs) output.node = null;
    }
    try {
      beforeRelease?.();
    } finally {
      this.#releaseWaiting();
    }
  }

  #execute(nodes: readonly Node[]): void {
    const graph = describeGraph(nodes);
    if (this.runtime.donates) this.#markSpent(graph);
    const compiled = this.executables.obtain(graph);
    this.#run(graph, compiled);
    this.flushes++;
    this.nodes += nodes.length;
    this.observer?.flushed({ graph, compiled });
  }

  #markSpent({ leaves, spent }: Graph): void {
    leaves.forEach((leaf, i) => {
      const isFree = leaf.refs <= 0 && leaf.holds <= 0;
      if (isFree && (this.observer?.maySpend(leaf) ?? true)) spent[i] = 1;
    });
  }

  #run(graph: Graph, compiled: CompiledGraph): void {
    const { runtime } = this;
    const [inputs, outputs] = [this.#inputs, this.#outputs];
    const uploaded: number[] = [];
    let count = 0;
    inputs.reset(graph.leaves.length + graph.scalars.length);
    for (const leaf of graph.leaves) inputs.set(count++, this.pointerOf(leaf));
    graph.scalars.forEach((value, i) => {
      if (!compiled.dynamic[i]) return;
      const pointer = this.uploadScalar(value);
      uploaded.push(pointer);
      inputs.set(count++, pointer);
    });
    outputs.reset(graph.outputs.length);
    try {
      compiled.executable.run(inputs, outputs, graph.spent);
    } catch (cause) {
      if (graph.spent.includes(1)) throw new LostInputs((cause as Error).message, { cause });
      throw cause;
    } finally {
      for (const pointer of uploaded) runtime.releaseValue(pointer);
    }
    graph.outputs.forEach((value, i) => {
      this.fill(value, outputs.get(i));
    });
  }

  /** New data of the engine with the content of a one-element host value; the caller releases it. */
  uploadScalar(value: Value): number {
    return this.runtime.createValue(value.dtype, value.shape, arrayOf(value.dtype as TensorType, [value.scalar!]));
  }

  /** The data of a computed value. Throws when it was freed. */
  pointerOf(leaf: Value): number {
    if (leaf.pointer !== 0) return leaf.pointer;
    if (sizeOf(leaf.shape) === 0)
      this.fill(leaf, this.runtime.createValue(leaf.dtype, leaf.shape, new Float32Array(0)));
    if (leaf.pointer === 0) {
      throw new Error(`engine ${this.runtime.name}: a ${leaf.dtype}[${leaf.shape}] was used after it was freed`);
    }
    return leaf.pointer;
  }

  /** Gives a value its data; the value owns the pointer from now on. */
  fill(value: Value, pointer: number): void {
    value.pointer = pointer;
    value.node = null;
    this.bytes += value.bytes;
  }

  /** Runs the nodes one at a time and puts an error on each that fails and on all that depend on it. */
  #isolate(nodes: readonly Node[]): void {
    const made: Value[] = [];
    for (const node of nodes) {
      const error = this.#inheritedError(node) ?? this.#tryAlone(node);
      for (const output of node.outputs) {
        output.error = error;
        output.node = null;
        made.push(output);
      }
    }
    for (const value of made) if (value.refs <= 0 && value.holds <= 0) this.free(value);
  }

  #fail(nodes: readonly Node[], error: Error): void {
    for (const output of nodes.flatMap(({ outputs }) => outputs)) {
      output.error = error;
      output.node = null;
    }
  }

  #inheritedError(node: Node): Error | null {
    for (const input of node.inputs) if (input.kind === 'value' && input.error) return input.error;
    return null;
  }

  #tryAlone(node: Node): Error | null {
    try {
      const graph = describeGraph([node], true);
      const compiled = this.executables.compile(graph, new Uint8Array(graph.scalars.length));
      try {
        this.#run(graph, compiled);
      } finally {
        this.executables.release(compiled);
      }
      return null;
    } catch (cause) {
      return this.#describeFailure(node, cause as Error);
    }
  }

  #describeFailure(node: Node, cause: Error): Error {
    const describe = (x: Operand): string => (x.kind === 'absent' ? '-' : `${x.dtype}[${x.shape}]`);
    const { name } = this.operations.get(node.op);
    const called = node.site ? `, called at ${callSite(node.site)}` : '';
    const inputs = node.inputs.map(describe).join(', ');
    return new Error(`${node.kernel} failed in ${name}(${inputs})${called}: ${cause.message}`, { cause });
  }

  /** The data of a value, running what is pending if need be. */
  read(value: Value): TensorArray {
    if (value.node) {
      this.observer?.refused('it reads a value');
      this.flush();
    }
    if (value.error) throw value.error;
    const dtype = value.dtype as TensorType;
    if (value.scalar !== undefined) return arrayOf(dtype, [value.scalar]);
    if (sizeOf(value.shape) === 0) return arrayOf(dtype, 0);
    return this.runtime.readValue(this.pointerOf(value), dtype, value.shape);
  }

  /** Puts host data into a value: one element stays on the host, more is uploaded. */
  write(value: Value, data: ArrayLike<number | boolean> | null): void {
    const size = sizeOf(value.shape);
    const dtype = value.dtype as TensorType;
    if (size === 1) value.scalar = arrayOf(dtype, data ?? 1)[0]!;
    else if (size > 0) this.fill(value, this.runtime.createValue(dtype, value.shape, arrayOf(dtype, data ?? size)));
  }

  /** Uploads a one-element host value, so that it enters graphs by pointer. */
  materialize(value: Value): void {
    if (value.scalar === undefined) return;
    const pointer = this.uploadScalar(value);
    value.scalar = undefined;
    this.fill(value, pointer);
  }

  /** Releases the data of a value that no tensor refers to, after pending nodes have used it. */
  discard(value: Value): void {
    if (value.pointer === 0) return;
    if (this.#pending.length === 0) {
      this.free(value);
    } else {
      this.#waiting.push(value);
      this.#waitingBytes += value.bytes;
    }
  }

  #releaseWaiting(): void {
    for (const value of this.#waiting) if (value.refs <= 0) this.free(value);
    this.#waiting.length = 0;
    this.#waitingBytes = 0;
  }

  /** Releases the data of a value now, unless a plan holds it. */
  free(value: Value): void {
    if (value.pointer === 0 || value.holds > 0) return;
    this.runtime.releaseValue(value.pointer);
    value.pointer = 0;
    this.bytes -= value.bytes;
  }
}

/** Frames of a stack that passes through TensorFlow.js. */
const deepStack = 40;

/** A stack of the caller, deep enough to pass through TensorFlow.js. */
export function captureSite(): Error {
  const limit = Error.stackTraceLimit;
  Error.stackTraceLimit = deepStack;
  const site = new Error('call site');
  Error.stackTraceLimit = limit;
  return site;
}

const engineFolder = new URL('..', import.meta.url);
const internals = [engineFolder.href, fileURLToPath(engineFolder), '(native)', 'node:internal', '<anonymous>)'];
const tensorflow = /[\\/(](@tensorflow|tfjs-[a-z]+)[\\/]/;

function isInternal(frame: string): boolean {
  return tensorflow.test(frame) || internals.some((part) => frame.includes(part));
}

/** The line of user code in a captured stack, or the kernel's own line when all frames are internal. */
export function callSite(site: Error): string {
  const frames = (site.stack ?? '').split('\n').slice(1);
  const frame = frames.find((line) => !isInternal(line)) ?? frames[0] ?? 'an unknown line';
  return frame.trim().replace(/^at /, '');
}
