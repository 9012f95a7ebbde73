/**
 * Writes a recorded graph as an ONNX ModelProto (onnx/onnx.proto3) in one pass. Compiling a graph is on the critical path of every
 * first step, and the message has a fixed, small set of fields, so it is written by hand: nested messages get
 * four-byte lengths, filled in when they close.
 */
import {
  type Attributes,
  type AttributeValue,
  attributeKinds,
  type Constant,
  type ElementType,
  type Operand,
  type OperatorName,
  type Program,
  type ProgramNode,
  type Value,
} from '../graph/index.ts';

export const elementCode: Readonly<Record<ElementType, number>> = {
  float32: 1,
  int32: 6,
  int64: 7,
  bool: 9,
  float64: 11,
};

/** Operators that are not of the standard set under their own name: domain, and the name in it. */
const contributed: Partial<Record<OperatorName, readonly [domain: string, name: string]>> = {
  BlockedConv: ['com.microsoft.nchwc', 'Conv'],
  FusedMatMul: ['com.microsoft', 'FusedMatMul'],
  ReorderInput: ['com.microsoft.nchwc', 'ReorderInput'],
  ReorderOutput: ['com.microsoft.nchwc', 'ReorderOutput'],
  RotaryEmbedding: ['com.microsoft', 'RotaryEmbedding'],
};

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
const attributeType: Readonly<Record<string, number>> = { float: 1, int: 2, flag: 2, dtype: 2, text: 3, ints: 7 };

/** Name of an operand in the model; empty for one that is not given. */
export function nameOf(operand: Operand): string {
  if (operand.kind === 'value') return `v${operand.slot}`;
  return operand.kind === 'constant' ? `c${operand.id}` : '';
}

class Writer {
  #bytes = Buffer.allocUnsafe(1 << 16);
  #at = 0;

  finish(): Uint8Array {
    return this.#bytes.subarray(0, this.#at);
  }

  #reserve(count: number): void {
    if (this.#at + count <= this.#bytes.length) return;
    const larger = Buffer.allocUnsafe(Math.max(this.#bytes.length * 2, this.#at + count));
    this.#bytes.copy(larger, 0, 0, this.#at);
    this.#bytes = larger;
  }

  #varint(value: number): void {
    this.#reserve(10);
    if (value < 0) {
      this.#negative(value);
      return;
    }
    let rest = value;
    while (rest > 127) {
      this.#bytes[this.#at++] = (rest % 128) | 128;
      rest = Math.floor(rest / 128);
    }
    this.#bytes[this.#at++] = rest;
  }

  #negative(value: number): void {
    let rest = BigInt.asUintN(64, BigInt(value));
    while (rest > 127n) {
      this.#bytes[this.#at++] = Number(rest & 127n) | 128;
      rest >>= 7n;
    }
    this.#bytes[this.#at++] = Number(rest);
  }

  int(number: number, value: number): void {
    this.#varint(number << 3);
    this.#varint(value);
  }

  float(number: number, value: number): void {
    this.#varint((number << 3) | 5);
    this.#reserve(4);
    this.#bytes.writeFloatLE(value, this.#at);
    this.#at += 4;
  }

  text(number: number, value: string): void {
    this.#varint((number << 3) | 2);
    this.#varint(value.length);
    this.#reserve(value.length);
    this.#bytes.write(value, this.#at, 'latin1');
    this.#at += value.length;
  }

  raw(number: number, value: Uint8Array): void {
    this.#varint((number << 3) | 2);
    this.#varint(value.length);
    this.#reserve(value.length);
    this.#bytes.set(value, this.#at);
    this.#at += value.length;
  }

  /** A nested message: `body` writes its fields. */
  message(number: number, body: () => void): void {
    this.#varint((number << 3) | 2);
    this.#reserve(4);
    const start = this.#at;
    this.#at += 4;
    body();
    const length = this.#at - start - 4;
    for (let i = 0; i < 4; i++) this.#bytes[start + i] = ((length >> (7 * i)) & 127) | (i < 3 ? 128 : 0);
  }
}

function rawData(dtype: ElementType, data: ArrayLike<number>): Uint8Array {
  if (dtype === 'bool') return Uint8Array.from(data);
  if (dtype === 'int64') return new Uint8Array(BigInt64Array.from(Array.from(data), BigInt).buffer);
  const Kind = dtype === 'float32' ? Float32Array : dtype === 'float64' ? Float64Array : Int32Array;
  return new Uint8Array(Kind.from(data).buffer);
}

/** Kinds of attributes by operator; all are there, since nodes are typed by the same table. */
const kinds: Readonly<Record<string, Readonly<Record<string, string>>>> = attributeKinds;

function writeAttribute(w: Writer, op: OperatorName, name: string, value: AttributeValue): void {
  const f = field.attribute;
  const kind = kinds[op]![name]!.replace('?', '');
  w.message(field.node.attribute, () => {
    w.text(f.name, name);
    if (kind === 'text') w.text(f.text, value as string);
    else if (kind === 'float') w.float(f.float, value as number);
    else if (kind === 'ints') for (const item of value as readonly number[]) w.int(f.ints, item);
    else w.int(f.int, kind === 'dtype' ? elementCode[value as ElementType] : Number(value));
    w.int(f.type, attributeType[kind]!);
  });
}

function writeNode(w: Writer, { operation, kernel, inputs, outputs }: ProgramNode, index: number): void {
  const f = field.node;
  const attributes: Attributes = operation.attributes ?? {};
  const [domain, op] = contributed[operation.name] ?? ['', operation.name];
  w.message(field.graph.node, () => {
    for (const input of inputs) w.text(f.input, nameOf(input));
    for (const output of outputs) w.text(f.output, nameOf(output));
    w.text(f.name, `${kernel}/${op}_${index}`);
    w.text(f.op, op);
    for (const name in attributes) writeAttribute(w, operation.name, name, attributes[name]!);
    if (domain !== '') w.text(f.domain, domain);
  });
}

/** ValueInfoProto { name 1, type 2 { tensor_type 1 { elem_type 1, shape 2 { dim 1 { dim_value 1 } } } } } */
function writePort(w: Writer, number: number, value: Value): void {
  w.message(number, () => {
    w.text(1, nameOf(value));
    w.message(2, () =>
      w.message(1, () => {
        w.int(1, elementCode[value.dtype]);
        w.message(2, () => {
          for (const size of value.shape) w.message(1, () => w.int(1, size));
        });
      }),
    );
  });
}

function writeConstant(w: Writer, constant: Constant): void {
  const f = field.tensor;
  w.message(field.graph.initializer, () => {
    for (const size of constant.shape) w.int(f.dims, size);
    w.int(f.type, elementCode[constant.dtype]);
    w.text(f.name, nameOf(constant));
    w.raw(f.raw, rawData(constant.dtype, constant.data));
  });
}

function writeOpset(w: Writer, domain: string, version: number): void {
  w.message(field.model.opsetImport, () => {
    w.text(1, domain);
    w.int(2, version);
  });
}

/** The program as protobuf bytes. Names must be latin-1. */
export function encodeProgram(program: Program): Uint8Array {
  const w = new Writer();
  w.int(field.model.irVersion, irVersion);
  writeOpset(w, '', opset);
  for (const domain of domains) writeOpset(w, domain, 1);
  w.message(field.model.graph, () => {
    program.nodes.forEach((node, i) => {
      writeNode(w, node, i);
    });
    w.text(field.graph.name, 'recorded');
    for (const constant of program.constants) writeConstant(w, constant);
    for (const value of program.inputs) writePort(w, field.graph.input, value);
    for (const value of program.outputs) writePort(w, field.graph.output, value);
  });
  return w.finish();
}
