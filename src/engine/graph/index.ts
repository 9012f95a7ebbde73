export { beforeFirst, broadcastShape, GraphBuilder } from './builder.ts';
export { type CompiledGraph, type Executable, Executables, type GraphRuntime, Pointers } from './executables.ts';
export type { Program, ProgramNode } from './graph.ts';
export {
  type ArithmeticOperator,
  type Attributes,
  type AttributesOf,
  type AttributeValue,
  attributeKinds,
  type ComparisonOperator,
  type OperatorName,
  type ReductionOperator,
  type UnaryOperator,
} from './operators.ts';
export { captureSite, type Flushed, type Observer, Recorder, type RecorderOptions } from './recorder.ts';
export {
  arrayOf,
  type Constant,
  type ElementType,
  type Operand,
  sameShape,
  sizeOf,
  type TensorArray,
  type TensorType,
  Value,
} from './value.ts';
