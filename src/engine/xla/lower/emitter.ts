/**
 * Writes StableHLO (https://openxla.org/stablehlo/spec) as text, in the generic form of MLIR, which is the same for
 * every operation and every version of the parser. Operations of CHLO are taken apart by XLA itself.
 */
import type { Precision } from '../../engine.ts';
import { type ElementType, sameShape, sizeOf } from '../../graph/index.ts';

/** Element types in a lowered program: those of graphs, and those that computing goes through. */
export type HloType = ElementType | 'bfloat16';

export interface TermType {
  readonly dtype: HloType;
  readonly shape: readonly number[];
}

/** A value in the program; of a constant with its content. */
export interface Term extends TermType {
  readonly name: string;
  readonly data?: ArrayLike<number>;
}

const elementNames: Readonly<Record<HloType, string>> = {
  bfloat16: 'bf16',
  bool: 'i1',
  float32: 'f32',
  float64: 'f64',
  int32: 'i32',
  int64: 'i64',
};

export function isFloat(dtype: HloType): boolean {
  return dtype === 'float32' || dtype === 'float64' || dtype === 'bfloat16';
}

export function typeText({ dtype, shape }: TermType): string {
  return `tensor<${shape.map((size) => `${size}x`).join('')}${elementNames[dtype]}>`;
}

/** An attribute that is a list of integers. */
export function ints(values: readonly number[]): string {
  return values.length === 0 ? 'array<i64>' : `array<i64: ${values.join(', ')}>`;
}

/** An attribute that is a matrix of integers, as paddings are. */
export function matrix(rows: readonly (readonly number[])[]): string {
  const width = rows[0]?.length ?? 2;
  if (rows.length === 0) return `dense<> : tensor<0x${width}xi64>`;
  return `dense<[${rows.map((row) => `[${row.join(', ')}]`).join(', ')}]> : tensor<${rows.length}x${width}xi64>`;
}

type Attributes = Readonly<Record<string, string>>;

/** The binary operations that reductions apply. */
export type Combiner = 'add' | 'multiply' | 'maximum' | 'minimum';

export type Comparison = 'EQ' | 'NE' | 'GT' | 'GE' | 'LT' | 'LE';

export class Emitter {
  readonly compute: Precision;
  /** Truths that say that a position lay outside: the run then fails. */
  readonly alarms: Term[] = [];
  readonly #lines: string[] = [];
  readonly #written = new Set<string>();
  #next = 0;

  constructor(compute: Precision) {
    this.compute = compute;
  }

  get text(): string {
    return this.#lines.join('\n');
  }

  /** The name of a term, whose constant is written before its first use. */
  ref(term: Term): string {
    if (term.data && !this.#written.has(term.name)) {
      this.#written.add(term.name);
      this.#lines.push(
        `${term.name} = "stablehlo.constant"() {value = ${literal(term, term.data)}} : () -> ${typeText(term)}`,
      );
    }
    return term.name;
  }

  /** An operation with several results. */
  opMany(
    name: string,
    operands: readonly Term[],
    types: readonly TermType[],
    attributes: Attributes = {},
    region = '',
  ): Term[] {
    const refs = operands.map((operand) => this.ref(operand)).join(', ');
    const given = Object.entries(attributes).map(([key, value]) => `${key} = ${value}`);
    const id = `%${this.#next++}`;
    const results = types.length === 1 ? id : `${id}:${types.length}`;
    const signature = `(${operands.map(typeText).join(', ')}) -> ${types.length === 1 ? typeText(types[0]!) : `(${types.map(typeText).join(', ')})`}`;
    this.#lines.push(`${results} = "${name}"(${refs}) ${region}{${given.join(', ')}} : ${signature}`);
    return types.map(({ dtype, shape }, i) => ({ name: types.length === 1 ? id : `${id}#${i}`, dtype, shape }));
  }

  op(name: string, operands: readonly Term[], type: TermType, attributes: Attributes = {}, region = ''): Term {
    return this.opMany(name, operands, [type], attributes, region)[0]!;
  }

  constant(dtype: HloType, shape: readonly number[], data: ArrayLike<number>): Term {
    return { name: `%k${this.#next++}`, dtype, shape, data };
  }

  /** A constant of equal elements. */
  fill(value: number, { dtype, shape }: TermType): Term {
    return this.broadcast(this.constant(dtype, [], [value]), shape);
  }

  convert(x: Term, dtype: HloType): Term {
    return x.dtype === dtype ? x : this.op('stablehlo.convert', [x], { dtype, shape: x.shape });
  }

  reshape(x: Term, shape: readonly number[]): Term {
    return sameShape(x.shape, shape) ? x : this.op('stablehlo.reshape', [x], { dtype: x.dtype, shape });
  }

  /** Axes of size 1 and missing leading ones repeat, as in every element-wise operation of a graph. */
  broadcast(x: Term, shape: readonly number[]): Term {
    const offset = shape.length - x.shape.length;
    return this.broadcastAlong(
      x,
      x.shape.map((_, axis) => axis + offset),
      shape,
    );
  }

  /** Axis i of x becomes axis `axes[i]` of the result. */
  broadcastAlong(x: Term, axes: readonly number[], shape: readonly number[]): Term {
    if (sameShape(x.shape, shape)) return x;
    return this.op('stablehlo.broadcast_in_dim', [x], { dtype: x.dtype, shape }, { broadcast_dimensions: ints(axes) });
  }

  transpose(x: Term, permutation: readonly number[]): Term {
    if (permutation.every((axis, i) => axis === i)) return x;
    const shape = permutation.map((axis) => x.shape[axis]!);
    return this.op('stablehlo.transpose', [x], { dtype: x.dtype, shape }, { permutation: ints(permutation) });
  }

  /** One input, shape and dtype stay. `name` is that of StableHLO, or whole with its dialect. */
  unary(name: string, x: Term): Term {
    return this.op(name.includes('.') ? name : `stablehlo.${name}`, [x], x);
  }

  /** The second input of an operation: a number is a constant of the first one's type. */
  #like({ dtype }: Term, b: Term | number): Term {
    return typeof b === 'number' ? this.constant(dtype, [], [b]) : b;
  }

  /** Two inputs that broadcast to `shape`, that of the first unless given. */
  binary(name: string, a: Term, b: Term | number, shape: readonly number[] = a.shape): Term {
    const operands = [this.broadcast(a, shape), this.broadcast(this.#like(a, b), shape)];
    return this.op(`stablehlo.${name}`, operands, { dtype: a.dtype, shape });
  }

  compare(direction: Comparison, a: Term, b: Term | number, shape: readonly number[] = a.shape): Term {
    const kind = isFloat(a.dtype) ? 'FLOAT' : a.dtype === 'bool' ? 'UNSIGNED' : 'SIGNED';
    const operands = [this.broadcast(a, shape), this.broadcast(this.#like(a, b), shape)];
    return this.op(
      'stablehlo.compare',
      operands,
      { dtype: 'bool', shape },
      {
        comparison_direction: `#stablehlo<comparison_direction ${direction}>`,
        compare_type: `#stablehlo<comparison_type ${kind}>`,
      },
    );
  }

  /** condition ? a : b; a condition of another shape broadcasts. */
  select(condition: Term, a: Term, b: Term | number, shape: readonly number[] = a.shape): Term {
    const operands = [condition, a, this.#like(a, b)].map((operand) => this.broadcast(operand, shape));
    return this.op('stablehlo.select', operands, { dtype: a.dtype, shape });
  }

  /** 0, 1, ... along an axis. */
  iota(dtype: HloType, shape: readonly number[], axis: number): Term {
    return this.op('stablehlo.iota', [], { dtype, shape }, { iota_dimension: `${axis} : i64` });
  }

  slice(x: Term, starts: readonly number[], ends: readonly number[], strides?: readonly number[]): Term {
    const steps = strides ?? starts.map(() => 1);
    const shape = starts.map((start, i) => Math.max(0, Math.ceil((ends[i]! - start) / steps[i]!)));
    if (sameShape(shape, x.shape)) return x;
    return this.op(
      'stablehlo.slice',
      [x],
      { dtype: x.dtype, shape },
      {
        start_indices: ints(starts),
        limit_indices: ints(ends),
        strides: ints(steps),
      },
    );
  }

  concatenate(parts: readonly Term[], axis: number): Term {
    const [first] = parts;
    const total = parts.reduce((sum, part) => sum + part.shape[axis]!, 0);
    const shape = first!.shape.map((size, i) => (i === axis ? total : size));
    return this.op('stablehlo.concatenate', parts, { dtype: first!.dtype, shape }, { dimension: `${axis} : i64` });
  }

  /** `filler` around x, and `between` of it between its elements. */
  pad(x: Term, filler: Term, low: readonly number[], high: readonly number[], between?: readonly number[]): Term {
    const inner = between ?? low.map(() => 0);
    const shape = x.shape.map((n, i) => low[i]! + high[i]! + n + Math.max(0, n - 1) * inner[i]!);
    return this.op(
      'stablehlo.pad',
      [x, filler],
      { dtype: x.dtype, shape },
      {
        edge_padding_low: ints(low),
        edge_padding_high: ints(high),
        interior_padding: ints(inner),
      },
    );
  }

  reverse(x: Term, axes: readonly number[]): Term {
    return axes.length === 0 ? x : this.op('stablehlo.reverse', [x], x, { dimensions: ints(axes) });
  }

  /** Reduces over `axes`, which stay as axes of size 1 where `keep`. */
  reduce(combiner: Combiner, x: Term, axes: readonly number[], keep: boolean): Term {
    if (axes.length === 0) return x;
    const shape = x.shape.filter((_, axis) => !axes.includes(axis));
    const start = this.constant(x.dtype, [], [identityOf(combiner, x.dtype)]);
    const type = { dtype: x.dtype, shape };
    const reduced = this.op(
      'stablehlo.reduce',
      [x, start],
      type,
      { dimensions: ints(axes) },
      region(combiner, x.dtype),
    );
    return keep
      ? this.reshape(
          reduced,
          x.shape.map((size, axis) => (axes.includes(axis) ? 1 : size)),
        )
      : reduced;
  }
}

/** What leaves every element as it is under a combiner. */
export function identityOf(combiner: Combiner, dtype: HloType): number {
  if (combiner === 'add') return 0;
  if (combiner === 'multiply') return 1;
  const sign = combiner === 'maximum' ? -1 : 1;
  if (isFloat(dtype)) return sign * Number.POSITIVE_INFINITY;
  if (dtype === 'bool') return sign < 0 ? 0 : 1;
  return sign < 0 ? -(2 ** 31) : 2 ** 31 - 1;
}

/** The region that combines two elements; `second` returns the second as it is. */
export function region(combiner: Combiner | 'second', dtype: HloType): string {
  const type = typeText({ dtype, shape: [] });
  const signature = `(${type}, ${type}) -> ${type}`;
  const [line, result] =
    combiner === 'second' ? ['', '%y'] : [`%z = "stablehlo.${combiner}"(%x, %y) : ${signature}\n`, '%z'];
  return `({\n^bb0(%x: ${type}, %y: ${type}):\n${line}"stablehlo.return"(${result}) : (${type}) -> ()\n}) `;
}

/** The content of a constant: one element for all where they are equal, else bits. */
function literal(type: TermType, data: ArrayLike<number>): string {
  const { dtype, shape } = type;
  const text = typeText(type);
  const count = sizeOf(shape);
  if (count === 0) return `dense<> : ${text}`;
  const first = data[0]!;
  let isSplat = true;
  for (let i = 1; i < count && isSplat; i++) isSplat = Object.is(data[i], first);
  if (isSplat) return `dense<${element(dtype, first)}> : ${text}`;
  if (dtype === 'bool')
    return `dense<${nested(
      Array.from(data, (x) => (x ? 'true' : 'false')),
      shape,
    )}> : ${text}`;
  return `dense<"0x${bitsOf(dtype, Array.from(data)).toString('hex')}"> : ${text}`;
}

/** Lists in lists along the shape. */
function nested(elements: readonly string[], shape: readonly number[]): string {
  const [size = 0, ...rest] = shape;
  const width = elements.length / size;
  const parts = Array.from({ length: size }, (_, i) => elements.slice(i * width, (i + 1) * width));
  return `[${parts.map((part) => (rest.length === 0 ? part[0]! : nested(part, rest))).join(', ')}]`;
}

function element(dtype: HloType, value: number): string {
  if (dtype === 'bool') return value ? 'true' : 'false';
  if (!isFloat(dtype)) return String(value);
  return `0x${Buffer.from(bitsOf(dtype, [value]))
    .reverse()
    .toString('hex')
    .toUpperCase()}`;
}

function bitsOf(dtype: HloType, values: readonly number[]): Buffer {
  if (dtype === 'float32') return Buffer.from(Float32Array.from(values).buffer);
  if (dtype === 'float64') return Buffer.from(Float64Array.from(values).buffer);
  if (dtype === 'int64') return Buffer.from(BigInt64Array.from(values, BigInt).buffer);
  if (dtype === 'int32') return Buffer.from(Int32Array.from(values).buffer);
  const high = values.map((value) => new Uint32Array(Float32Array.of(value).buffer)[0]! >>> 16);
  return Buffer.from(Uint16Array.from(high).buffer);
}
