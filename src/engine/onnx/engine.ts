/** The onnx engine: TensorFlow.js recorded lazily (lazy/) and run on ONNX Runtime. */
import type { Engine } from '../engine.ts';
import { cpuCapabilities, ownVersions } from '../fallback.ts';
import type { RecorderOptions } from '../graph/index.ts';
import { startLazy } from '../lazy/start.ts';
import { profileWork } from './profile.ts';
import { OnnxRuntime, type RuntimeOptions } from './runtime.ts';

/** Options of the onnx engine; all are fixed by its first use in a process. */
export interface OnnxOptions extends RuntimeOptions, RecorderOptions {}

export function startOnnx(options: OnnxOptions): Engine {
  const runtime = new OnnxRuntime(options);
  const { recorder, flush, compile, graphs, fallbacks } = startLazy(runtime, options);
  const { threads, spin } = runtime;
  const { maxPending } = recorder;
  return {
    capabilities: { ...cpuCapabilities, copiesUploads: true, compiles: true },
    settings: { threads, spin, maxPending, maxSessions: recorder.executables.capacity },
    flush,
    compile,
    profile: (work) => profileWork(recorder, runtime, work),
    report: () => ({
      name: 'onnx',
      device: `cpu (${process.platform} ${process.arch})`,
      threads,
      precision: 'float32',
      versions: { onnxruntime: runtime.version, ...ownVersions() },
      memoryBytes: recorder.bytes,
      graphs: graphs(),
      fallbacks: { ...fallbacks },
    }),
  };
}
