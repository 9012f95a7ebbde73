/**
 * Compiled sessions by graph structure, least recently used first out. One-element host values (a learning rate,
 * a timestep) are baked into a model until a second value is seen; then the graph is compiled once more with
 * them as inputs.
 */
import { buildModel, type Graph } from './graph.ts';
import type { Constants, Operations } from './intern.ts';
import type { Runtime, Session } from './ort.ts';
import { encodeModel } from './proto.ts';

/** A session with the layout of its inputs: the graph's leaves, then the scalars with `dynamic[i]`. */
export interface Compiled {
  readonly session: Session;
  readonly dynamic: Uint8Array;
  /** The cache and each plan that replays it count one; the last to leave releases it. */
  users: number;
}

interface Entry {
  readonly structure: Int32Array;
  /** Scalar values at the time of compiling. */
  readonly values: readonly number[];
  compiled: Compiled;
}

function sameRow(a: Int32Array, b: Int32Array): boolean {
  if (a.length !== b.length) return false;
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false;
  return true;
}

export class SessionCache {
  compiles = 0;
  compileMs = 0;
  private readonly entries = new Map<number, Entry>();
  private readonly runtime: Runtime;
  private readonly operations: Operations;
  private readonly constants: Constants;
  private readonly capacity: number;

  constructor(runtime: Runtime, operations: Operations, constants: Constants, capacity: number) {
    this.runtime = runtime;
    this.operations = operations;
    this.constants = constants;
    this.capacity = capacity;
  }

  get size(): number {
    return this.entries.size;
  }

  /** The session for a graph: known, compiled anew, or compiled again with changed scalars as inputs. */
  obtain(graph: Graph): Compiled {
    const entry = this.entries.get(graph.hash);
    if (!entry || !sameRow(entry.structure, graph.structure)) return this.insert(graph);
    this.entries.delete(graph.hash);
    this.entries.set(graph.hash, entry);
    this.promoteChanged(entry, graph);
    return entry.compiled;
  }

  /** Compiles a graph that is not kept; the caller releases it. `dynamic` marks the scalars that become inputs. */
  compile(graph: Graph, dynamic: Uint8Array): Compiled {
    const start = performance.now();
    const model = buildModel(graph, dynamic, this.operations, this.constants);
    const names = (ports: readonly { name: string }[]): string[] => ports.map((port) => port.name);
    const session = this.runtime.createSession(encodeModel(model), names(model.inputs), names(model.outputs));
    this.compiles++;
    this.compileMs += performance.now() - start;
    return { session, dynamic, users: 1 };
  }

  release(compiled: Compiled): void {
    if (--compiled.users === 0) compiled.session.release();
  }

  /** The sessions kept now. */
  sessions(): Session[] {
    return [...this.entries.values()].map(({ compiled }) => compiled.session);
  }

  clear(): void {
    for (const { compiled } of this.entries.values()) this.release(compiled);
    this.entries.clear();
  }

  private insert(graph: Graph): Compiled {
    const compiled = this.compile(graph, new Uint8Array(graph.scalars.length));
    const values = graph.scalars.map((value) => value.scalar!);
    const collided = this.entries.get(graph.hash);
    if (collided) this.release(collided.compiled);
    this.entries.set(graph.hash, { structure: graph.structure, values, compiled });
    if (this.entries.size > this.capacity) this.evictOldest();
    return compiled;
  }

  private evictOldest(): void {
    for (const [hash, entry] of this.entries) {
      this.entries.delete(hash);
      this.release(entry.compiled);
      return;
    }
  }

  private promoteChanged(entry: Entry, graph: Graph): void {
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
