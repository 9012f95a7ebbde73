/**
 * From pending nodes to something that can be compiled: which nodes are needed, the row of integers that stands
 * for the graph's structure, and the model itself with equal nodes merged.
 */
import type { Constants, Operation, Operations } from './intern.ts';
import type { Model, ModelNode, ModelPort } from './proto.ts';
import { type Constant, type Node, type Operand, onnxCode, type Value } from './value.ts';

/** The needed part of the pending nodes, in order, and what flows in and out of it. */
export interface Graph {
  readonly nodes: readonly Node[];
  /** Values that enter by pointer. */
  readonly leaves: Value[];
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
  private readonly stamp = ++stamps;
  private next = 0;
  private at = 0;

  private push(x: number): void {
    row[this.at++] = x;
  }

  private reserve(count: number): void {
    if (this.at + count <= row.length) return;
    const larger = new Int32Array(Math.max(row.length * 2, this.at + count));
    larger.set(row);
    row = larger;
  }

  node(node: Node, keepAll: boolean): void {
    const { inputs, outputs } = node;
    this.reserve(2 + inputs.length * 12 + outputs.length);
    this.push(node.op);
    this.push(inputs.length * 65536 + outputs.length);
    for (let i = 0; i < inputs.length; i++) this.operand(inputs[i]!);
    for (let i = 0; i < outputs.length; i++) this.output(outputs[i]!, keepAll);
  }

  private operand(input: Operand): void {
    if (input.kind === 'constant') this.push(constantBase - input.id);
    else if (input.kind === 'absent') this.push(absentMark);
    else if (input.stamp === this.stamp) this.push(input.slot);
    else this.leaf(input);
  }

  private leaf(value: Value): void {
    if (value.error) throw value.error;
    const isScalar = value.scalar !== undefined;
    (isScalar ? this.scalars : this.leaves).push(value);
    this.number(value);
    this.push(isScalar ? scalarMark : leafMark);
    this.push(onnxCode[value.dtype] * 16 + value.shape.length);
    for (let i = 0; i < value.shape.length; i++) this.push(value.shape[i]!);
  }

  private output(value: Value, keepAll: boolean): void {
    this.number(value);
    const kept = keepAll || value.refs > 0;
    if (kept) this.outputs.push(value);
    this.push(kept ? 1 : 0);
  }

  private number(value: Value): void {
    value.stamp = this.stamp;
    value.slot = this.next++;
  }

  finish(nodes: readonly Node[]): Graph {
    const { leaves, scalars, outputs } = this;
    return { nodes, leaves, scalars, outputs, structure: row.slice(0, this.at), hash: hashOf(this.at) };
  }
}

/** The graph of these nodes. `keepAll` makes every value of theirs an output (to find a failing node). */
export function describeGraph(nodes: readonly Node[], keepAll = false): Graph {
  const numbering = new Numbering();
  for (let i = 0; i < nodes.length; i++) numbering.node(nodes[i]!, keepAll);
  return numbering.finish(nodes);
}

function port(value: Value): ModelPort {
  return { name: `v${value.slot}`, dtype: value.dtype, shape: value.shape };
}

/** Names the operands of a graph and collects the constants that it uses. */
class Naming {
  readonly constants = new Map<number, Constant>();
  private readonly baked = new Map<Value, Constant>();

  constructor(graph: Graph, dynamic: Uint8Array, pool: Constants) {
    graph.scalars.forEach((value, i) => {
      if (!dynamic[i]) this.baked.set(value, pool.intern(value.dtype, value.shape, [value.scalar!]));
    });
  }

  name(operand: Operand): string {
    if (operand.kind === 'absent') return '';
    if (operand.kind === 'constant') return this.constant(operand);
    const baked = this.baked.get(operand);
    return baked ? this.constant(baked) : `v${operand.slot}`;
  }

  private constant(constant: Constant): string {
    this.constants.set(constant.id, constant);
    return `c${constant.id}`;
  }
}

interface MutableNode extends ModelNode {
  inputs: string[];
  readonly outputs: string[];
  readonly operation: Operation;
}

/** Merges nodes with the same operation and inputs (ONNX Runtime's own pass skips the contributed operators). */
function mergeEqual(nodes: readonly MutableNode[], outputs: ReadonlySet<string>): MutableNode[] {
  const first = new Map<string, MutableNode>();
  const renamed = new Map<string, string>();
  return nodes.filter((node) => {
    node.inputs = node.inputs.map((name) => renamed.get(name) ?? name);
    if (!node.operation.pure) return true;
    const key = `${node.operation.id}|${node.inputs.join()}`;
    const twin = first.get(key);
    if (!twin) first.set(key, node);
    if (!twin || node.outputs.some((name) => outputs.has(name))) return true;
    twin.outputs.push(...node.outputs.slice(twin.outputs.length));
    node.outputs.forEach((name, i) => {
      if (twin.outputs[i] !== name) renamed.set(name, twin.outputs[i]!);
    });
    return false;
  });
}

/** The graph as a model. Scalars with `dynamic[i]` become inputs after the leaves, the others constants. */
export function buildModel(graph: Graph, dynamic: Uint8Array, operations: Operations, pool: Constants): Model {
  const naming = new Naming(graph, dynamic, pool);
  const nodes = graph.nodes.map((node): MutableNode => {
    const operation = operations.get(node.op);
    return {
      operation,
      op: operation.name,
      kernel: node.kernel,
      domain: operation.domain,
      attributes: operation.attributes,
      inputs: node.inputs.map((input) => naming.name(input)),
      outputs: node.outputs.map((output) => `v${output.slot}`),
    };
  });
  const outputs = graph.outputs.map(port);
  const merged = mergeEqual(nodes, new Set(outputs.map((output) => output.name)));
  const inputs = [...graph.leaves, ...graph.scalars.filter((_, i) => dynamic[i])].map(port);
  const constants = [...naming.constants.values()].map((c) => ({
    name: `c${c.id}`,
    dtype: c.dtype,
    shape: c.shape,
    data: c.data,
  }));
  return { nodes: merged, inputs, outputs, constants };
}
