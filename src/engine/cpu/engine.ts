/** The reference engine: TensorFlow.js's own cpu backend. Slow, complete, computes at once. */
import { compileEager, profileEager } from '../eager.ts';
import type { Engine, EngineReport } from '../engine.ts';
import { tf } from '../tf.ts';

/** The cpu backend, without the advice that it prints at its first write in Node. */
export function quietCpuBackend(): object {
  const backend = tf.findBackend('cpu') as object & { firstUse?: boolean };
  backend.firstUse = false;
  return backend;
}

function report(): EngineReport {
  return {
    name: 'cpu',
    device: `cpu (${process.platform} ${process.arch})`,
    threads: 1,
    precision: 'float32',
    versions: { tfjs: tf.version_core, node: process.version },
    memoryBytes: tf.memory().numBytes,
    compiles: 0,
    compileMs: 0,
    sessions: 0,
    runs: 0,
    pending: 0,
    fallbacks: {},
  };
}

/** Makes the cpu backend current. */
export async function startCpu(): Promise<Engine> {
  quietCpuBackend();
  await tf.setBackend('cpu');
  return {
    name: 'cpu',
    flush: () => undefined,
    report,
    profile: profileEager,
    compile: (fn) => compileEager('cpu', fn),
  };
}
