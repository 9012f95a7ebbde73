/** The lowering of every operator that a recorded graph may hold; those of channels in blocks are ONNX Runtime's own. */
import type { OperatorName } from '../../graph/index.ts';
import * as elementwise from './elementwise.ts';
import * as layers from './layers.ts';
import type { Lowering } from './lowering.ts';
import * as moves from './moves.ts';
import * as positions from './positions.ts';
import * as products from './products.ts';
import * as reductions from './reductions.ts';
import * as windows from './windows.ts';

/** Written only for engines whose `channelBlock` is not 0. */
type BlockedOperator = 'BlockedConv' | 'ReorderInput' | 'ReorderOutput';

type Lowerings = { readonly [Name in Exclude<OperatorName, BlockedOperator>]: Lowering<Name> };

export const lowerings: Lowerings = {
  ...elementwise.unary,
  ...elementwise.arithmetic,
  ...elementwise.comparison,
  And: elementwise.and,
  ArgMax: reductions.argMax,
  ArgMin: reductions.argMin,
  Attention: layers.attention,
  AveragePool: windows.averagePool,
  Cast: elementwise.cast,
  Clip: elementwise.clip,
  Concat: moves.concat,
  Conv: windows.conv,
  ConvTranspose: windows.convTranspose,
  CumSum: reductions.cumSum,
  Einsum: products.einsum,
  Expand: moves.expand,
  FusedMatMul: products.fusedMatMul,
  Gather: positions.gather,
  GatherND: positions.gatherNd,
  Gelu: elementwise.gelu,
  Gemm: products.gemm,
  IsInf: elementwise.isInf,
  IsNaN: elementwise.isNan,
  LayerNormalization: layers.layerNormalization,
  LeakyRelu: elementwise.leakyRelu,
  MatMul: products.matMul,
  MaxPool: windows.maxPool,
  Mod: elementwise.mod,
  Or: elementwise.or,
  Pad: moves.pad,
  Range: moves.range,
  ReduceMax: reductions.reduceMax,
  ReduceMean: reductions.reduceMean,
  ReduceMin: reductions.reduceMin,
  ReduceProd: reductions.reduceProd,
  ReduceSum: reductions.reduceSum,
  Reshape: moves.reshape,
  RotaryEmbedding: layers.rotaryEmbedding,
  ScatterND: positions.scatterNd,
  SimplifiedLayerNormalization: layers.simplifiedLayerNormalization,
  Slice: moves.slice,
  Softmax: layers.softmax,
  Split: moves.split,
  Sum: elementwise.sum,
  Tile: moves.tile,
  TopK: reductions.topK,
  Transpose: moves.transpose,
  Where: elementwise.where,
};
