/** The reference engine: TensorFlow.js's own cpu backend. Slow, complete, computes at once. */
import { compileEager, profileEager } from '../eager.ts';
import type { Engine, EngineDefinition } from '../engine.ts';
import { cpuCapabilities, ownVersions, quietCpuBackend } from '../fallback.ts';
import { tf } from '../tf.ts';

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
    versions: ownVersions(),
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
