/** The reference engine: TensorFlow.js's own cpu backend. Slow, complete, computes at once. */
import type { Compiled, Engine, EngineReport, Profile, TensorFunction } from '../engine.ts';
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
    runs: 0,
    pending: 0,
    fallbacks: {},
  };
}

/** Runs the function each time; temporary tensors are disposed of, as on every engine. */
function compile<A extends readonly unknown[], R>(fn: TensorFunction<A, R>): Compiled<A, R> {
  let recorded = 0;
  const call = (...args: A): R => {
    recorded++;
    return tf.tidy(() => fn(...args) as never) as R;
  };
  return Object.assign(call, {
    status: () => ({ replayed: 0, recorded, plans: 0, reason: 'the cpu engine does not compile' }),
    dispose: () => undefined,
  });
}

/** Wall time alone: the cpu backend does not tell its kernels apart. */
function profile(work: () => void): Profile {
  const start = performance.now();
  tf.tidy(work);
  return { wallMs: performance.now() - start, operations: [] };
}

/** Makes the cpu backend current. */
export async function startCpu(): Promise<Engine> {
  quietCpuBackend();
  await tf.setBackend('cpu');
  return { name: 'cpu', flush: () => undefined, report, profile, compile };
}
