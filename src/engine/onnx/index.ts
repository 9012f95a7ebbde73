import type { EngineDefinition } from '../engine.ts';
import type { OnnxOptions } from './engine.ts';
import { findRuntime } from './library.ts';

export const onnx: EngineDefinition<'onnx', OnnxOptions> = {
  name: 'onnx',
  description: 'records operations and runs whole steps on ONNX Runtime; the default',
  options: { threads: 'threads', spin: 'flag', maxPending: 'count', maxSessions: 'count' },
  find: findRuntime,
  start: async (options) => (await import('./engine.ts')).startOnnx(options),
};
