export type {
  Compiled,
  CompileStatus,
  Engine,
  EngineName,
  EngineOptions,
  EngineReport,
  TensorFunction,
} from './engine.ts';
export * from './ops/index.ts';
export { compile, current, type EngineEntry, flush, list, report, use } from './select.ts';
