/** A computation for each operator of the recorded graph that the xla engine lowers; the type says if one is missing. */
import * as engine from '../../../src/engine/index.ts';
import { type Tensor, type Tensor4D, tf } from '../../../src/engine/tf.ts';
import type { lowerings } from '../../../src/engine/xla/lower/operators.ts';
import { booleans, floats, integers } from '../inputs.ts';

type Computation = () => Tensor | Tensor[];

const x = (): Tensor => floats([3, 4], 1);
/** Between 0.1 and 0.9. */
const inside = (): Tensor => floats([3, 4], 2).tanh().mul(0.4).add(0.5);
const map =
  (f: (x: Tensor) => Tensor, from: () => Tensor = x): Computation =>
  () =>
    f(from());
const pair =
  (f: (a: Tensor, b: Tensor) => Tensor): Computation =>
  () =>
    f(x(), floats([4], 3));
const image = (): Tensor4D => floats([2, 6, 5, 3], 4) as Tensor4D;
const filter = (): Tensor4D => floats([3, 3, 3, 4], 5) as Tensor4D;

export const operators: Record<keyof typeof lowerings, Computation> = {
  Abs: map(tf.abs),
  Acos: map(tf.acos, inside),
  Acosh: map((v) => tf.acosh(tf.add(v, 1)), inside),
  Add: pair(tf.add),
  And: () => tf.logicalAnd(booleans([3, 4], 1), booleans([4], 2)),
  ArgMax: map((v) => v.argMax(1)),
  ArgMin: map((v) => v.argMin(0)),
  Asin: map(tf.asin, inside),
  Asinh: map(tf.asinh),
  Atan: map(tf.atan),
  Atanh: map(tf.atanh, inside),
  Attention: () => [
    engine.attention(floats([2, 3, 2, 4], 1), floats([2, 5, 2, 4], 2), floats([2, 5, 2, 4], 3)),
    engine.attention(floats([1, 3, 2, 4], 1), floats([1, 3, 2, 4], 2), floats([1, 3, 2, 4], 3), {
      mask: tf.tensor2d([1, 0, 0, 1, 1, 0, 1, 1, 1], [3, 3], 'bool'),
    }),
  ],
  AveragePool: () => tf.avgPool(image(), 3, 2, 'same'),
  Cast: map((v) => v.mul(3).cast('int32')),
  Ceil: map(tf.ceil),
  Clip: map((v) => v.clipByValue(-0.5, 0.25)),
  Concat: () => tf.concat([x(), floats([3, 2], 2)], 1),
  Conv: () => tf.conv2d(image(), filter(), [2, 1], 'same'),
  ConvTranspose: () => tf.conv2dTranspose(floats([2, 3, 3, 4], 6) as Tensor4D, filter(), [2, 6, 5, 3], 2, 'same'),
  Cos: map(tf.cos),
  Cosh: map(tf.cosh),
  CumSum: () =>
    [false, true].flatMap((reverse) => [tf.cumsum(x(), 1, false, reverse), tf.cumsum(x(), 0, true, reverse)]),
  Div: pair((a, b) => tf.div(a, tf.add(tf.abs(b), 0.5))),
  Einsum: () => [
    tf.einsum('bij,bjk->bki', floats([2, 3, 4], 1), floats([2, 4, 5], 2)),
    tf.einsum('ij->j', x()),
    tf.einsum('ij,jk->ki', x(), floats([4, 5], 2)),
  ],
  Elu: map(tf.elu),
  Equal: () => tf.equal(integers([3, 4], 0, 3, 1), integers([4], 0, 3, 2)),
  Erf: map(tf.erf),
  Exp: map(tf.exp),
  Expand: map((v) => tf.broadcastTo(v.reshape([3, 1, 4]), [2, 3, 5, 4] as never)),
  Floor: map((v) => tf.floor(v.mul(3))),
  FusedMatMul: () => tf.matMul(floats([2, 4, 3], 1), floats([2, 5, 4], 2), true, true),
  Gather: () => [
    tf.gather(x(), tf.tensor1d([2, 0, 2], 'int32')),
    tf.gather(
      floats([2, 3, 4], 1),
      tf.tensor2d(
        [
          [0, 3],
          [1, 1],
        ],
        [2, 2],
        'int32',
      ),
      2,
    ),
  ],
  GatherND: () =>
    tf.gatherND(
      floats([2, 3, 4], 1),
      tf.tensor2d(
        [
          [1, 2],
          [0, 0],
        ],
        [2, 2],
        'int32',
      ),
    ),
  Gelu: () => [engine.gelu(x(), 'tanh'), engine.gelu(x(), 'erf')],
  Gemm: () => engine.linear(floats([5, 4], 1), floats([3, 4], 2), floats([3], 3)),
  Greater: pair(tf.greater),
  GreaterOrEqual: pair(tf.greaterEqual),
  IsInf: () => tf.isInf(tf.tensor1d([1, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, Number.NaN])),
  IsNaN: () => tf.isNaN(tf.tensor1d([1, Number.POSITIVE_INFINITY, Number.NaN])),
  LayerNormalization: () => engine.layerNorm(x(), floats([4], 2), floats([4], 3)),
  LeakyRelu: map((v) => tf.leakyRelu(v, 0.3)),
  Less: pair(tf.less),
  LessOrEqual: pair(tf.lessEqual),
  Log: map(tf.log, inside),
  MatMul: () => tf.matMul(floats([2, 3, 4], 1), floats([4, 5], 2) as never),
  Max: pair(tf.maximum),
  MaxPool: () => tf.maxPool(image(), 2, 2, 'valid'),
  Min: pair(tf.minimum),
  Mod: pair((a, b) => tf.mod(a, tf.add(tf.abs(b), 0.5))),
  Mul: pair(tf.mul),
  Neg: map(tf.neg),
  Not: () => tf.logicalNot(booleans([3, 4], 1)),
  Or: () => tf.logicalOr(booleans([3, 4], 1), booleans([4], 2)),
  Pad: map((v) =>
    tf.pad(
      v,
      [
        [1, 0],
        [2, 1],
      ],
      0.5,
    ),
  ),
  Pow: () => tf.pow(inside(), floats([4], 3)),
  Range: () => [tf.range(1, 8, 2), tf.range(5, 0, -2, 'int32')],
  Reciprocal: map((v) => tf.reciprocal(tf.add(v, 2)), inside),
  ReduceMax: map((v) => v.max(1)),
  ReduceMean: map((v) => v.mean([0, 1])),
  ReduceMin: map((v) => v.min(0, true)),
  ReduceProd: map((v) => tf.prod(v, 1)),
  ReduceSum: () => [x().sum(1), integers([3, 4], 0, 9, 1).sum(0)],
  Relu: map(tf.relu),
  Reshape: map((v) => tf.add(v, 1).reshape([2, 6]).add(1)),
  RotaryEmbedding: () => engine.rotary(floats([2, 3, 2, 4], 1), floats([3, 2], 2), floats([3, 2], 3)),
  Round: map((v) => tf.round(v.mul(2).floor().div(2))),
  ScatterND: () => [
    tf.scatterND(tf.tensor2d([[1], [3], [1]], [3, 1], 'int32'), floats([3, 2], 2), [5, 2] as never),
    tf.tensorScatterUpdate(x(), tf.tensor2d([[2], [0]], [2, 1], 'int32'), floats([2, 4], 2)),
  ],
  Selu: map(tf.selu),
  Sigmoid: map(tf.sigmoid),
  Sign: map(tf.sign),
  SimplifiedLayerNormalization: () => engine.rmsNorm(x(), floats([4], 2)),
  Sin: map(tf.sin),
  Sinh: map(tf.sinh),
  Slice: map((v) => [v.slice([1, 1], [2, 2]), v.reverse(1), v.stridedSlice([2, 3], [0, 0], [-1, -2])] as never),
  Softmax: map(tf.softmax),
  Softplus: map(tf.softplus),
  Split: map((v) => tf.split(v, [1, 3], 1) as never),
  Sqrt: map(tf.sqrt, inside),
  Sub: pair(tf.sub),
  Sum: () => tf.addN([x(), floats([3, 4], 2), floats([3, 4], 3)]),
  Tan: map(tf.tan),
  Tanh: map(tf.tanh),
  Tile: map((v) => tf.tile(v, [2, 3])),
  TopK: () => {
    const { values, indices } = tf.topk(x(), 3);
    return [values, indices];
  },
  Transpose: () => tf.transpose(floats([2, 3, 4], 1), [2, 0, 1]),
  Where: () => tf.where(booleans([3, 4], 1), x(), floats([3, 4], 2)),
};
