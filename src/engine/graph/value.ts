/**
 * What a recorded graph is made of. A `Value` is the data behind a tensor (its tfjs `dataId`): pending (a node
 * will compute it), computed (a pointer to data of the engine), or a host scalar not uploaded yet. Equal operations and
 * equal constants get one small number each, so that the structure of a graph is a row of integers that is hashed and
 * compared quickly.
 */
import type { Attributes, OperatorName } from './operators.ts';

/** Element types a graph may carry; int64 (indices) and float64 (exact integer division) never leave a graph. */
export type ElementType = 'float32' | 'int32' | 'bool' | 'int64' | 'float64';

/** Each element type as a small number, which stands for it in the structure of a graph. */
export const elementTypes: readonly ElementType[] = ['float32', 'int32', 'bool', 'int64', 'float64'];

export type TensorType = Exclude<ElementType, 'int64' | 'float64'>;

export const elementBytes: Readonly<Record<ElementType, number>> = {
  float32: 4,
  int32: 4,
  int64: 8,
  bool: 1,
  float64: 8,
};

export type TensorArray = Float32Array | Int32Array | Uint8Array;

/** A typed array of the given element type: from a length (zeros) or from values (converted). */
export function arrayOf(dtype: TensorType, from: number | ArrayLike<number | boolean>): TensorArray {
  const Kind = dtype === 'float32' ? Float32Array : dtype === 'int32' ? Int32Array : Uint8Array;
  if (typeof from === 'number') return new Kind(from);
  return from instanceof Kind ? from : Kind.from(from as ArrayLike<number>);
}

export function sizeOf(shape: readonly number[]): number {
  let size = 1;
  for (let i = 0; i < shape.length; i++) size *= shape[i]!;
  return size;
}

export function sameShape(a: readonly number[], b: readonly number[]): boolean {
  if (a.length !== b.length) return false;
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false;
  return true;
}

/** A number or small table written into the graph; equal constants are one object, `id` stands for the content. */
export interface Constant {
  readonly kind: 'constant';
  readonly id: number;
  readonly dtype: ElementType;
  readonly shape: number[];
  readonly data: ArrayLike<number>;
}

/** An optional input of a node that is not given. */
export const absent: { readonly kind: 'absent' } = { kind: 'absent' };

export type Operand = Value | Constant | typeof absent;

/** One recorded operation. `op` is its interned name and attributes, `kernel` the tfjs kernel that made it. */
export interface Node {
  readonly op: number;
  readonly inputs: readonly Operand[];
  readonly outputs: Value[];
  readonly kernel: string;
  /** Where the kernel was called; kept only for kernels that can fail on their data. */
  readonly site: Error | null;
  live: boolean;
}

export class Value {
  readonly kind = 'value';
  readonly shape: number[];
  readonly dtype: ElementType;
  /** The node that will compute this value; null once computed or when it came from the host. */
  node: Node | null = null;
  /** tfjs references (tensors that share this data). */
  refs = 0;
  /** Compiled plans that need this data after its last tensor is gone. */
  holds = 0;
  /** The engine's data, 0 when there is none. */
  pointer = 0;
  /** The content of a one-element tensor that was never uploaded. */
  scalar: number | undefined = undefined;
  error: Error | null = null;
  /** Numbering of the graph in work: valid when `stamp` is that graph's. */
  stamp = 0;
  slot = 0;

  constructor(shape: number[], dtype: ElementType) {
    this.shape = shape;
    this.dtype = dtype;
  }

  get bytes(): number {
    return sizeOf(this.shape) * elementBytes[this.dtype];
  }
}

export interface Operation {
  readonly id: number;
  readonly name: OperatorName;
  readonly attributes: Attributes | null;
}

export class Operations {
  readonly #byKey = new Map<string, number>();
  readonly #list: Operation[] = [];

  intern(name: OperatorName, attributes: Attributes | null): number {
    let key: string = name;
    for (const attribute in attributes) key += `;${attribute}=${attributes[attribute]}`;
    const known = this.#byKey.get(key);
    if (known !== undefined) return known;
    const id = this.#list.push({ id: this.#list.length, name, attributes }) - 1;
    this.#byKey.set(key, id);
    return id;
  }

  get(id: number): Operation {
    return this.#list[id]!;
  }
}

/** Forgetting old constants costs at most a compile: their numbers are not used again. */
const maxConstants = 20_000;

export class Constants {
  readonly #byKey = new Map<string, Constant>();
  #next = 0;

  intern(dtype: ElementType, shape: number[], data: ArrayLike<number>): Constant {
    const key = `${dtype}[${shape.join()}]${Array.prototype.join.call(data, ',')}`;
    return this.#byKey.get(key) ?? this.#add(key, dtype, shape, data);
  }

  /** A constant of equal elements, known by its value alone. */
  filled(dtype: ElementType, shape: number[], value: number): Constant {
    const key = `${dtype}[${shape.join()}]*${Object.is(value, -0) ? '-0' : value}`;
    const known = this.#byKey.get(key);
    return known ?? this.#add(key, dtype, shape, new Array<number>(sizeOf(shape)).fill(value));
  }

  #add(key: string, dtype: ElementType, shape: number[], data: ArrayLike<number>): Constant {
    if (this.#byKey.size >= maxConstants) this.#byKey.clear();
    const made: Constant = { kind: 'constant', id: this.#next++, dtype, shape: shape.slice(), data };
    this.#byKey.set(key, made);
    return made;
  }
}
