/**
 * Writes an ONNX ModelProto (onnx/onnx.proto3) in one pass. Compiling a graph is on the critical path of every
 * first step, and the message has a fixed, small set of fields, so it is written by hand: nested messages get
 * four-byte lengths, filled in when they close.
 */
import { type ElementType, onnxCode } from './value.ts';

/** An attribute value: integers, integer lists, text; a number is a float only for the names in `floatAttributes`. */
export type Attributes = Readonly<Record<string, number | string | readonly number[]>>;

export interface ModelNode {
  readonly op: string;
  /** The kernel of TensorFlow.js that recorded it; begins the node's name. */
  readonly kernel: string;
  readonly domain: string;
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  readonly attributes: Attributes | null;
}

export interface ModelPort {
  readonly name: string;
  readonly dtype: ElementType;
  readonly shape: readonly number[];
}

export interface Model {
  readonly nodes: readonly ModelNode[];
  readonly inputs: readonly ModelPort[];
  readonly outputs: readonly ModelPort[];
  readonly constants: readonly (ModelPort & { readonly data: ArrayLike<number> })[];
}

/** Attribute names whose numbers are floats in every operator that has them. */
export const floatAttributes: ReadonlySet<string> = new Set([
  'alpha',
  'beta',
  'bias',
  'epsilon',
  'gamma',
  'high',
  'lambd',
  'low',
  'mean',
  'momentum',
  'scale',
  'seed',
  'softcap',
  'extrapolation_value',
  'cubic_coeff_a',
  'norm_coefficient',
]);

const opset = 23;
const irVersion = 11;
const domains = ['com.microsoft', 'com.microsoft.nchwc'];

/** Numbers of the fields and codes of the attribute types, as in onnx.proto3. */
const field = {
  model: { irVersion: 1, graph: 7, opsetImport: 8 },
  graph: { node: 1, name: 2, initializer: 5, input: 11, output: 12 },
  node: { input: 1, output: 2, name: 3, op: 4, attribute: 5, domain: 7 },
  attribute: { name: 1, float: 2, int: 3, text: 4, ints: 8, type: 20 },
  tensor: { dims: 1, type: 2, name: 8, raw: 9 },
} as const;
const attributeType = { float: 1, int: 2, text: 3, ints: 7 } as const;

class Writer {
  private bytes = Buffer.allocUnsafe(1 << 16);
  private at = 0;

  finish(): Uint8Array {
    return this.bytes.subarray(0, this.at);
  }

  private reserve(count: number): void {
    if (this.at + count <= this.bytes.length) return;
    const larger = Buffer.allocUnsafe(Math.max(this.bytes.length * 2, this.at + count));
    this.bytes.copy(larger, 0, 0, this.at);
    this.bytes = larger;
  }

  private varint(value: number): void {
    this.reserve(10);
    if (value < 0) {
      this.negative(value);
      return;
    }
    let rest = value;
    while (rest > 127) {
      this.bytes[this.at++] = (rest % 128) | 128;
      rest = Math.floor(rest / 128);
    }
    this.bytes[this.at++] = rest;
  }

  private negative(value: number): void {
    let rest = BigInt.asUintN(64, BigInt(value));
    while (rest > 127n) {
      this.bytes[this.at++] = Number(rest & 127n) | 128;
      rest >>= 7n;
    }
    this.bytes[this.at++] = Number(rest);
  }

  int(number: number, value: number): void {
    this.varint(number << 3);
    this.varint(value);
  }

  float(number: number, value: number): void {
    this.varint((number << 3) | 5);
    this.reserve(4);
    this.bytes.writeFloatLE(value, this.at);
    this.at += 4;
  }

  text(number: number, value: string): void {
    this.varint((number << 3) | 2);
    this.varint(value.length);
    this.reserve(value.length);
    this.bytes.write(value, this.at, 'latin1');
    this.at += value.length;
  }

  raw(number: number, value: Uint8Array): void {
    this.varint((number << 3) | 2);
    this.varint(value.length);
    this.reserve(value.length);
    this.bytes.set(value, this.at);
    this.at += value.length;
  }

  /** A nested message: `body` writes its fields. */
  message(number: number, body: () => void): void {
    this.varint((number << 3) | 2);
    this.reserve(4);
    const start = this.at;
    this.at += 4;
    body();
    const length = this.at - start - 4;
    for (let i = 0; i < 4; i++) this.bytes[start + i] = ((length >> (7 * i)) & 127) | (i < 3 ? 128 : 0);
  }
}

function rawData(dtype: ElementType, data: ArrayLike<number>): Uint8Array {
  if (dtype === 'bool') return Uint8Array.from(data);
  if (dtype === 'int64') return new Uint8Array(BigInt64Array.from(Array.from(data), BigInt).buffer);
  const Kind = dtype === 'float32' ? Float32Array : dtype === 'float64' ? Float64Array : Int32Array;
  return new Uint8Array(Kind.from(data).buffer);
}

function writeAttribute(w: Writer, name: string, value: Attributes[string]): void {
  const f = field.attribute;
  w.message(field.node.attribute, () => {
    w.text(f.name, name);
    if (typeof value === 'string') w.text(f.text, value);
    else if (typeof value !== 'number') for (const item of value) w.int(f.ints, item);
    else if (floatAttributes.has(name)) w.float(f.float, value);
    else w.int(f.int, value);
    w.int(f.type, attributeType[kindOf(name, value)]);
  });
}

function kindOf(name: string, value: Attributes[string]): keyof typeof attributeType {
  if (typeof value === 'string') return 'text';
  if (typeof value !== 'number') return 'ints';
  return floatAttributes.has(name) ? 'float' : 'int';
}

function writeNode(w: Writer, node: ModelNode, index: number): void {
  const f = field.node;
  w.message(field.graph.node, () => {
    for (const name of node.inputs) w.text(f.input, name);
    for (const name of node.outputs) w.text(f.output, name);
    w.text(f.name, `${node.kernel}/${node.op}_${index}`);
    w.text(f.op, node.op);
    for (const name in node.attributes) writeAttribute(w, name, node.attributes[name]!);
    if (node.domain !== '') w.text(f.domain, node.domain);
  });
}

/** ValueInfoProto { name 1, type 2 { tensor_type 1 { elem_type 1, shape 2 { dim 1 { dim_value 1 } } } } } */
function writePort(w: Writer, number: number, port: ModelPort): void {
  w.message(number, () => {
    w.text(1, port.name);
    w.message(2, () =>
      w.message(1, () => {
        w.int(1, onnxCode[port.dtype]);
        w.message(2, () => {
          for (const size of port.shape) w.message(1, () => w.int(1, size));
        });
      }),
    );
  });
}

function writeConstant(w: Writer, constant: Model['constants'][number]): void {
  const f = field.tensor;
  w.message(field.graph.initializer, () => {
    for (const size of constant.shape) w.int(f.dims, size);
    w.int(f.type, onnxCode[constant.dtype]);
    w.text(f.name, constant.name);
    w.raw(f.raw, rawData(constant.dtype, constant.data));
  });
}

function writeOpset(w: Writer, domain: string, version: number): void {
  w.message(field.model.opsetImport, () => {
    w.text(1, domain);
    w.int(2, version);
  });
}

/** The model as protobuf bytes. Names must be latin-1. */
export function encodeModel(model: Model): Uint8Array {
  const w = new Writer();
  w.int(field.model.irVersion, irVersion);
  writeOpset(w, '', opset);
  for (const domain of domains) writeOpset(w, domain, 1);
  w.message(field.model.graph, () => {
    model.nodes.forEach((node, i) => {
      writeNode(w, node, i);
    });
    w.text(field.graph.name, 'recorded');
    for (const constant of model.constants) writeConstant(w, constant);
    for (const port of model.inputs) writePort(w, field.graph.input, port);
    for (const port of model.outputs) writePort(w, field.graph.output, port);
  });
  return w.finish();
}
