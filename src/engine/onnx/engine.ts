/** The onnx engine: TensorFlow.js recorded lazily and run on ONNX Runtime. See recorder.ts for how it works. */
import type { Engine, EngineOptions, EngineReport } from '../engine.ts';
import { tf } from '../tf.ts';
import { OnnxBackend } from './backend.ts';
import { compileFunction } from './compile.ts';
import { Fallbacks } from './host.ts';
import { Runtime } from './ort.ts';
import { profileWork } from './profile.ts';
import { Recorder } from './recorder.ts';
import { backendName, registerKernels } from './register.ts';

interface Started {
  readonly backend: OnnxBackend;
  readonly recorder: Recorder;
  readonly fallbacks: Fallbacks;
}

let started: Started | undefined;

function start(options: EngineOptions): Started {
  const recorder = new Recorder(new Runtime(options), options);
  const backend = new OnnxBackend(recorder);
  tf.registerBackend(backendName, () => backend);
  const fallbacks = new Fallbacks(backend);
  registerKernels(backend, fallbacks);
  return { backend, recorder, fallbacks };
}

function checkUnchanged({ recorder }: Started, { threads }: EngineOptions): void {
  const has = recorder.runtime.threads;
  if (threads === undefined || threads === has) return;
  throw new Error(
    `engine.use('onnx', { threads: ${threads} }): this process computes on ${has} threads since the first use; ` +
      'start a new process to change that',
  );
}

function reportOf({ recorder, fallbacks }: Started): EngineReport {
  return {
    name: 'onnx',
    device: `cpu (${process.platform} ${process.arch})`,
    threads: recorder.runtime.threads,
    precision: 'float32',
    versions: { onnxruntime: recorder.runtime.version, tfjs: tf.version_core, node: process.version },
    memoryBytes: recorder.bytes,
    compiles: recorder.sessions.compiles,
    compileMs: recorder.sessions.compileMs,
    sessions: recorder.sessions.size,
    runs: recorder.flushes,
    pending: recorder.pendingNodes,
    fallbacks: { ...fallbacks.counts },
  };
}

/** Loads ONNX Runtime, registers the kernels, and makes the backend current; only the first call does the work. */
export async function startOnnx(options: EngineOptions): Promise<Engine> {
  if (started) checkUnchanged(started, options);
  started ??= start(options);
  const now = started;
  await tf.setBackend(backendName);
  return {
    name: 'onnx',
    flush: () => now.recorder.flush(),
    report: () => reportOf(now),
    profile: (work) => profileWork(now.recorder, work),
    compile: (fn) => compileFunction(now.backend, fn),
  };
}
