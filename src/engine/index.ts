export type {
  Compiled,
  CompileStatus,
  Engine,
  EngineName,
  EngineOptions,
  EngineReport,
  Profile,
  ProfileRow,
  ProfileStack,
  TensorFunction,
} from './engine.ts';
export * from './ops/index.ts';
export { compile, current, type EngineEntry, flush, list, profile, report, use } from './select.ts';
export { isTapeOn } from './state.ts';
export { type InstallOptions, installTensorflow } from './tensorflow/install.ts';
export type { TensorflowLibrary } from './tensorflow/library.ts';
