/**
 * From pending nodes to something that can be compiled: which nodes are needed, the row of integers that stands
 * for the graph's structure, and the program with equal nodes merged.
 */
import {
  type Constant,
  type Constants,
  elementTypes,
  type Node,
  type Operand,
  type Operation,
  type Operations,
  type Value,
} from './value.ts';

/** The needed part of the pending nodes, in order, and what flows in and out of it. */
export interface Graph {
  readonly nodes: readonly Node[];
  /** Values that enter by pointer. */
  readonly leaves: Value[];
  /** Marks the leaves that nobody needs after the run: an engine may put outputs where they lie. */
  readonly spent: Uint8Array;
  /** One-element host values: baked into the model until they are seen to change. */
  readonly scalars: Value[];
  /** Values that tensors still refer to. */
  readonly outputs: Value[];
  /** Structure; graphs with the same row (and baked scalars) may share a compiled session. */
  readonly structure: Int32Array;
  readonly hash: number;
}

/** Marks in the structure; constants are `constantBase - id`, values their number in order of appearance. */
const absentMark = -1;
const leafMark = -2;
const scalarMark = -3;
const constantBase = -10;

let stamps = 0;

/** The nodes that some referenced value depends on, in recorded order. Marks them `live`. */
export function liveNodes(pending: readonly Node[]): Node[] {
  const stamp = ++stamps;
  let count = 0;
  for (let i = pending.length - 1; i >= 0; i--) {
    const node = pending[i]!;
    node.live = false;
    for (const output of node.outputs) if (output.refs > 0 || output.stamp === stamp) node.live = true;
    if (!node.live) continue;
    count++;
    for (const input of node.inputs) if (input.kind === 'value') input.stamp = stamp;
  }
  return count === pending.length ? pending.slice() : pending.filter((node) => node.live);
}

/** A growing row of integers, reused between graphs. */
let row = new Int32Array(1 << 14);

function hashOf(length: number): number {
  let low = 0x811c9dc5;
  let high = 0x1b873593;
  for (let i = 0; i < length; i++) {
    const x = row[i]!;
    low = Math.imul(low ^ x, 16777619);
    high = Math.imul(high ^ x, 0x85ebca6b) ^ (high >>> 13);
  }
  return (high & 0x1fffff) * 4294967296 + (low >>> 0);
}

/** Numbers the values of a graph and writes its structure. Throws the error of a leaf that failed earlier. */
class Numbering {
  readonly leaves: Value[] = [];
  readonly scalars: Value[] = [];
  readonly outputs: Value[] = [];
  readonly #stamp = ++stamps;
  #next = 0;
  #at = 0;

  #push(x: number): void {
    row[this.#at++] = x;
  }

  #reserve(count: number): void {
    if (this.#at + count <= row.length) return;
    const larger = new Int32Array(Math.max(row.length * 2, this.#at + count));
    larger.set(row);
    row = larger;
  }

  node(node: Node, keepAll: boolean): void {
    const { inputs, outputs } = node;
    this.#reserve(2 + inputs.length * 12 + outputs.length);
    this.#push(node.op);
    this.#push(inputs.length * 65536 + outputs.length);
    for (let i = 0; i < inputs.length; i++) this.#operand(inputs[i]!);
    for (let i = 0; i < outputs.length; i++) this.#output(outputs[i]!, keepAll);
  }

  #operand(input: Operand): void {
    if (input.kind === 'constant') this.#push(constantBase - input.id);
    else if (input.kind === 'absent') this.#push(absentMark);
    else if (input.stamp === this.#stamp) this.#push(input.slot);
    else this.#leaf(input);
  }

  #leaf(value: Value): void {
    if (value.error) throw value.error;
    const isScalar = value.scalar !== undefined;
    (isScalar ? this.scalars : this.leaves).push(value);
    this.#number(value);
    this.#push(isScalar ? scalarMark : leafMark);
    this.#push(elementTypes.indexOf(value.dtype) * 16 + value.shape.length);
    for (let i = 0; i < value.shape.length; i++) this.#push(value.shape[i]!);
  }

  #output(value: Value, keepAll: boolean): void {
    this.#number(value);
    const kept = keepAll || value.refs > 0;
    if (kept) this.outputs.push(value);
    this.#push(kept ? 1 : 0);
  }

  #number(value: Value): void {
    value.stamp = this.#stamp;
    value.slot = this.#next++;
  }

  finish(nodes: readonly Node[]): Graph {
    const { leaves, scalars, outputs } = this;
    const spent = new Uint8Array(leaves.length);
    return { nodes, leaves, spent, scalars, outputs, structure: row.slice(0, this.#at), hash: hashOf(this.#at) };
  }
}

/** The graph of these nodes. `keepAll` makes every value of theirs an output (to find a failing node). */
export function describeGraph(nodes: readonly Node[], keepAll = false): Graph {
  const numbering = new Numbering();
  for (let i = 0; i < nodes.length; i++) numbering.node(nodes[i]!, keepAll);
  return numbering.finish(nodes);
}

/** A node of a program; values and constants carry their dtype and shape. */
export interface ProgramNode {
  readonly operation: Operation;
  /** The kernel of TensorFlow.js that recorded it. */
  readonly kernel: string;
  readonly inputs: readonly Operand[];
  readonly outputs: readonly Value[];
}

/**
 * A graph as an engine compiles it: nodes in an order that can be run, equal ones merged. A value is known by its
 * `slot`, a constant by its `id`; both hold until the next graph is described.
 */
export interface Program {
  readonly nodes: readonly ProgramNode[];
  readonly inputs: readonly Value[];
  /** Marks the inputs that were spent when the graph was compiled; each run tells anew. */
  readonly spent: Uint8Array;
  readonly outputs: readonly Value[];
  readonly constants: readonly Constant[];
}

interface MutableNode extends ProgramNode {
  inputs: Operand[];
  readonly outputs: Value[];
}

function keyOf(operand: Operand): string {
  if (operand.kind === 'value') return `v${operand.slot}`;
  return operand.kind === 'constant' ? `c${operand.id}` : '';
}

/** Merges nodes with the same operation and inputs (ONNX Runtime's own pass skips the contributed operators). */
function mergeEqual(nodes: readonly MutableNode[], outputs: ReadonlySet<Value>): MutableNode[] {
  const first = new Map<string, MutableNode>();
  const twins = new Map<Operand, Value>();
  return nodes.filter((node) => {
    node.inputs = node.inputs.map((input) => twins.get(input) ?? input);
    const key = `${node.operation.id}|${node.inputs.map(keyOf).join()}`;
    const twin = first.get(key);
    if (!twin) first.set(key, node);
    if (!twin || node.outputs.some((value) => outputs.has(value))) return true;
    twin.outputs.push(...node.outputs.slice(twin.outputs.length));
    node.outputs.forEach((value, i) => {
      if (twin.outputs[i] !== value) twins.set(value, twin.outputs[i]!);
    });
    return false;
  });
}

/** The graph as a program. Scalars with `dynamic[i]` become inputs after the leaves, the others constants. */
export function toProgram(graph: Graph, dynamic: Uint8Array, operations: Operations, pool: Constants): Program {
  const baked = new Map<Operand, Constant>();
  graph.scalars.forEach((value, i) => {
    if (!dynamic[i]) baked.set(value, pool.intern(value.dtype, value.shape, [value.scalar!]));
  });
  const constants = new Set<Constant>();
  const entering = (input: Operand): Operand => {
    const operand = baked.get(input) ?? input;
    if (operand.kind === 'constant') constants.add(operand);
    return operand;
  };
  const nodes = graph.nodes.map(
    ({ op, kernel, inputs, outputs }): MutableNode => ({
      operation: operations.get(op),
      kernel,
      inputs: inputs.map(entering),
      outputs: outputs.slice(),
    }),
  );
  return {
    nodes: mergeEqual(nodes, new Set(graph.outputs)),
    inputs: [...graph.leaves, ...graph.scalars.filter((_, i) => dynamic[i])],
    spent: graph.spent,
    outputs: graph.outputs,
    constants: [...constants],
  };
}
