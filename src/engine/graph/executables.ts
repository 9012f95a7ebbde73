/**
 * What the recorder asks of an engine that runs graphs, and the graphs that it has compiled. Data on the engine's side is
 * known by a pointer, a number that is 0 where there is none; the engine never sees tensors, kernels or the recorder.
 */
import { type Graph, type Program, toProgram } from './graph.ts';
import type { Constants, ElementType, Operations, TensorArray, TensorType } from './value.ts';

export interface Executable {
  /**
   * Runs it; `outputs` must be zero and receives new data that the caller owns. Inputs marked in `spent` are released
   * next, so that outputs may take their memory. Throws when a node fails.
   */
  run(inputs: Pointers, outputs: Pointers, spent: Uint8Array): void;
  release(): void;
}

export interface GraphRuntime {
  readonly name: string;
  /** Channels in a block of `BlockedConv`, 0 where the engine has no such operator. */
  readonly channelBlock: number;
  /** Whether its runs put outputs into the memory of spent inputs; the others are not told of any. */
  readonly donates?: boolean;
  /** Compiles a graph. Throws what the library says when it refuses it. */
  compile(program: Program): Executable;
  /** New data with the content of `data`; the caller releases it. */
  createValue(dtype: ElementType, shape: readonly number[], data: TensorArray): number;
  readValue(pointer: number, dtype: TensorType, shape: readonly number[]): TensorArray;
  releaseValue(pointer: number): void;
}

/** An array of pointers as C reads it, which grows to the length asked for. */
export class Pointers {
  buffer: Uint32Array;

  constructor(length: number) {
    this.buffer = new Uint32Array(2 * Math.max(1, length));
  }

  /** Makes room for `length` pointers, all zero. */
  reset(length: number): void {
    if (this.buffer.length < 2 * length) this.buffer = new Uint32Array(4 * length);
    else this.buffer.fill(0, 0, 2 * length);
  }

  set(index: number, pointer: number): void {
    this.buffer[2 * index] = pointer % 4294967296;
    this.buffer[2 * index + 1] = Math.floor(pointer / 4294967296);
  }

  get(index: number): number {
    return this.buffer[2 * index + 1]! * 4294967296 + this.buffer[2 * index]!;
  }
}

/** An executable with the layout of its inputs: the graph's leaves, then the scalars with `dynamic[i]`. */
export interface CompiledGraph {
  readonly executable: Executable;
  readonly dynamic: Uint8Array;
  /** The cache and each plan that replays it count one; the last to leave releases it. */
  users: number;
}

interface Entry {
  readonly structure: Int32Array;
  /** Scalar values at the time of compiling. */
  readonly values: readonly number[];
  compiled: CompiledGraph;
}

function sameRow(a: Int32Array, b: Int32Array): boolean {
  if (a.length !== b.length) return false;
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false;
  return true;
}

/**
 * Compiled graphs by structure, least recently used first out. One-element host values (a learning rate, a timestep)
 * are baked into a program until a second value is seen; then the graph is compiled once more with them as inputs.
 */
export class Executables {
  compiles = 0;
  compileMs = 0;
  readonly #entries = new Map<number, Entry>();
  readonly #runtime: GraphRuntime;
  readonly #operations: Operations;
  readonly #constants: Constants;
  readonly capacity: number;

  constructor(runtime: GraphRuntime, operations: Operations, constants: Constants, capacity: number) {
    this.#runtime = runtime;
    this.#operations = operations;
    this.#constants = constants;
    this.capacity = capacity;
  }

  get size(): number {
    return this.#entries.size;
  }

  /** The executable of a graph: known, compiled anew, or compiled again with changed scalars as inputs. */
  obtain(graph: Graph): CompiledGraph {
    const entry = this.#entries.get(graph.hash);
    if (!entry || !sameRow(entry.structure, graph.structure)) return this.#insert(graph);
    this.#entries.delete(graph.hash);
    this.#entries.set(graph.hash, entry);
    this.#promoteChanged(entry, graph);
    return entry.compiled;
  }

  /** Compiles a graph that is not kept; the caller releases it. `dynamic` marks the scalars that become inputs. */
  compile(graph: Graph, dynamic: Uint8Array): CompiledGraph {
    const start = performance.now();
    const executable = this.#runtime.compile(toProgram(graph, dynamic, this.#operations, this.#constants));
    this.compiles++;
    this.compileMs += performance.now() - start;
    return { executable, dynamic, users: 1 };
  }

  release(compiled: CompiledGraph): void {
    if (--compiled.users === 0) compiled.executable.release();
  }

  clear(): void {
    for (const { compiled } of this.#entries.values()) this.release(compiled);
    this.#entries.clear();
  }

  #insert(graph: Graph): CompiledGraph {
    const compiled = this.compile(graph, new Uint8Array(graph.scalars.length));
    const values = graph.scalars.map((value) => value.scalar!);
    const collided = this.#entries.get(graph.hash);
    if (collided) this.release(collided.compiled);
    this.#entries.set(graph.hash, { structure: graph.structure, values, compiled });
    if (this.#entries.size > this.capacity) this.#evictOldest();
    return compiled;
  }

  #evictOldest(): void {
    for (const [hash, entry] of this.#entries) {
      this.#entries.delete(hash);
      this.release(entry.compiled);
      return;
    }
  }

  #promoteChanged(entry: Entry, graph: Graph): void {
    const { dynamic } = entry.compiled;
    const { scalars } = graph;
    let changed: Uint8Array | null = null;
    for (let i = 0; i < scalars.length; i++) {
      if (dynamic[i] || Object.is(entry.values[i], scalars[i]!.scalar)) continue;
      changed ??= dynamic.slice();
      changed[i] = 1;
    }
    if (!changed) return;
    const compiled = this.compile(graph, changed);
    this.release(entry.compiled);
    entry.compiled = compiled;
  }
}
