/**
 * What a recorded graph is made of. A `Value` is the data behind a tensor (its tfjs `dataId`): pending (a node
 * will compute it), computed (a pointer to data of the engine), or a host scalar not uploaded yet.
 */

/** Element types a graph may carry; int64 (indices) and float64 (exact integer division) never leave a graph. */
export type ElementType = 'float32' | 'int32' | 'bool' | 'int64' | 'float64';

/** Each element type as a small number, which stands for it in the structure of a graph. */
export const elementTypes: readonly ElementType[] = ['float32', 'int32', 'bool', 'int64', 'float64'];

/** Element types a tensor may have. */
export type TensorType = Exclude<ElementType, 'int64' | 'float64'>;

/** Bytes of one element. */
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

/** Product of the dimensions. */
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
