/**
 * The operators that a recorded graph is made of: one closed table for every engine that runs graphs. Kernels write
 * nodes from it, an engine encodes or lowers each of its rows, and the types of attributes follow from it.
 *
 * Names, inputs and attributes are those of ONNX opset 23 (https://onnx.ai/onnx/operators), except:
 *
 * - `FusedMatMul(a, b)`: alpha op(a) op(b) over the last two axes, as com.microsoft has it
 * - `RotaryEmbedding(x, positions, cos, sin)`: as com.microsoft has it, x is `[B, L, N*D]`
 * - `SimplifiedLayerNormalization(x, scale)`: x r scale and r, where r = 1 / sqrt(mean(x²) + epsilon)
 * - `ReorderInput`, `BlockedConv`, `ReorderOutput`: convolution on channels in blocks; written only for an engine whose
 *   `channelBlock` is not 0, see ../lazy/convolution/blocked.ts
 *
 * Shapes and dtypes of results stand in the nodes. int64 is for positions and shapes, float64 for exact division of
 * integers; neither leaves a graph.
 */
import type { ElementType } from './value.ts';

/** What the kinds of attributes are in TypeScript. */
interface AttributeTypes {
  int: number;
  float: number;
  flag: boolean;
  ints: readonly number[];
  text: string;
  dtype: ElementType;
}

type Kind = keyof AttributeTypes;

/** One input, the dtype and the shape stay. */
export type UnaryOperator =
  | Trigonometric
  | ('Abs' | 'Ceil' | 'Elu' | 'Erf' | 'Exp' | 'Floor' | 'Log' | 'Neg' | 'Not' | 'Reciprocal' | 'Relu' | 'Round')
  | ('Selu' | 'Sigmoid' | 'Sign' | 'Softplus' | 'Sqrt' | 'Tanh');
type Trigonometric = 'Acos' | 'Acosh' | 'Asin' | 'Asinh' | 'Atan' | 'Atanh' | 'Cos' | 'Cosh' | 'Sin' | 'Sinh' | 'Tan';

/** Two inputs that broadcast, the dtype stays. */
export type ArithmeticOperator = 'Add' | 'Sub' | 'Mul' | 'Div' | 'Max' | 'Min' | 'Pow';

/** Two inputs that broadcast, the result is bool. */
export type ComparisonOperator = 'Equal' | 'Greater' | 'GreaterOrEqual' | 'Less' | 'LessOrEqual';

/** Over the axes of the second input. */
export type ReductionOperator = 'ReduceMax' | 'ReduceMean' | 'ReduceMin' | 'ReduceProd' | 'ReduceSum';

type PlainOperator =
  | (UnaryOperator | ArithmeticOperator | ComparisonOperator)
  | ('And' | 'Clip' | 'Expand' | 'IsInf' | 'IsNaN' | 'MatMul' | 'Or')
  | ('Pad' | 'Range' | 'Slice' | 'Sum' | 'Tile' | 'Where');

/** Attributes of the other operators by kind; one whose kind ends in `?` may be left out. */
export const attributeKinds = {
  ArgMax: { axis: 'int', keepdims: 'flag' },
  ArgMin: { axis: 'int', keepdims: 'flag' },
  Attention: { q_num_heads: 'int', kv_num_heads: 'int', scale: 'float', qk_matmul_output_mode: 'int' },
  AveragePool: { kernel_shape: 'ints', strides: 'ints', pads: 'ints' },
  BlockedConv: { kernel_shape: 'ints', strides: 'ints', dilations: 'ints', pads: 'ints' },
  Cast: { to: 'dtype' },
  Concat: { axis: 'int' },
  Conv: { strides: 'ints', dilations: 'ints', pads: 'ints', group: 'int' },
  ConvTranspose: { strides: 'ints', dilations: 'ints', pads: 'ints', group: 'int', output_padding: 'ints' },
  CumSum: { exclusive: 'flag', reverse: 'flag' },
  Einsum: { equation: 'text' },
  FusedMatMul: { transA: 'flag', transB: 'flag', alpha: 'float' },
  Gather: { axis: 'int' },
  GatherND: { batch_dims: 'int?' },
  Gelu: { approximate: 'text' },
  Gemm: { transA: 'flag', transB: 'flag', alpha: 'float' },
  LayerNormalization: { axis: 'int', epsilon: 'float', stash_type: 'int' },
  LeakyRelu: { alpha: 'float' },
  MaxPool: { kernel_shape: 'ints', strides: 'ints', pads: 'ints' },
  Mod: { fmod: 'flag' },
  ReduceMax: { keepdims: 'flag' },
  ReduceMean: { keepdims: 'flag' },
  ReduceMin: { keepdims: 'flag' },
  ReduceProd: { keepdims: 'flag' },
  ReduceSum: { keepdims: 'flag' },
  ReorderInput: { channels_last: 'flag?' },
  ReorderOutput: { channels: 'int', channels_last: 'flag' },
  Reshape: { allowzero: 'flag?' },
  RotaryEmbedding: { interleaved: 'flag' },
  ScatterND: { reduction: 'text' },
  SimplifiedLayerNormalization: { axis: 'int', epsilon: 'float' },
  Softmax: { axis: 'int' },
  Split: { axis: 'int', num_outputs: 'int?' },
  TopK: { axis: 'int', sorted: 'flag' },
  Transpose: { perm: 'ints' },
} as const;

type Kinds = typeof attributeKinds;

export type OperatorName = PlainOperator | keyof Kinds;

type Given<K> = { readonly [A in keyof K as K[A] extends Kind ? A : never]: AttributeTypes[K[A] & Kind] };
type Optional<K> = {
  readonly [A in keyof K as K[A] extends Kind ? never : A]?: K[A] extends `${infer T extends Kind}?`
    ? AttributeTypes[T]
    : never;
};

/** The attributes of an operator, null where it has none. */
export type AttributesOf<Name extends OperatorName> = [Name] extends [keyof Kinds]
  ? (Given<Kinds[Name]> & Optional<Kinds[Name]>) | (object extends Given<Kinds[Name]> ? null : never)
  : null;

export type AttributeValue = AttributeTypes[Kind];

export type Attributes = Readonly<Record<string, AttributeValue>>;
