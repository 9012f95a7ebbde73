export type {
  Capabilities,
  CommonOptions,
  Compiled,
  CompileStatus,
  EngineReport,
  GraphReport,
  Profile,
  ProfileRow,
  ProfileStack,
  TensorFunction,
} from './engine.ts';
export {
  type AttentionOptions,
  attention,
  type Conv2dOptions,
  type Conv3dOptions,
  conv2d,
  conv3d,
  type GeluForm,
  gelu,
  layerNorm,
  linear,
  modulate,
  rmsNorm,
  rotary,
  silu,
  softmaxCrossEntropy,
} from './ops/index.ts';
export { type EngineName, type EngineOptions, engineNames } from './registry.ts';
export {
  capabilities,
  compile,
  current,
  type EngineEntry,
  flush,
  list,
  profile,
  report,
  use,
} from './select.ts';
export { type InstallOptions, installTensorflow, type TensorflowLibrary } from './tensorflow/index.ts';
