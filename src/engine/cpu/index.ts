/** The reference engine: TensorFlow.js's own cpu backend. Slow, complete, computes at once. */
import { compileEager, profileEager } from '../eager.ts';
import type { Capabilities, Engine, EngineDefinition } from '../engine.ts';
import { quietCpuBackend } from '../fallback.ts';
import { tf } from '../tf.ts';

/** What TensorFlow.js's interpreter can do; it computes where no engine is in use. */
export const cpuCapabilities: Capabilities = {
  device: 'cpu',
  precisions: ['float32'],
  devices: 1,
  copiesUploads: false,
  compiles: false,
};

const engine: Engine = {
  capabilities: cpuCapabilities,
  settings: {},
  flush: () => undefined,
  profile: profileEager,
  compile: (fn) => compileEager('cpu', fn),
  report: () => ({
    name: 'cpu',
    device: `cpu (${process.platform} ${process.arch})`,
    threads: 1,
    precision: 'float32',
    versions: { tfjs: tf.version_core, node: process.version },
    memoryBytes: tf.memory().numBytes,
    fallbacks: {},
  }),
};

export const cpu: EngineDefinition<'cpu', object> = {
  name: 'cpu',
  description: "TensorFlow.js's own interpreter: slow, the reference in tests",
  options: {},
  find: () => undefined,
  start: async () => {
    quietCpuBackend();
    return engine;
  },
};
