/** What engines that run graphs share: everything between TensorFlow.js and the runtime of the engine. */
import type { Engine, GraphReport } from '../engine.ts';
import { CpuFallback, type KernelFunction, type TensorHandle } from '../fallback.ts';
import {
  captureSite,
  GraphBuilder,
  type GraphRuntime,
  Recorder,
  type RecorderOptions,
  type Value,
} from '../graph/index.ts';
import { tf } from '../tf.ts';
import { GraphBackend, isHosted } from './backend.ts';
import { CompiledFunction } from './compile/compile.ts';
import { fusedKernels } from './fused/index.ts';
import type { Kernel } from './kernel.ts';
import { dataDependent, kernels } from './kernels/index.ts';

/** A recorder behind TensorFlow.js, and what an engine takes from it. */
export interface LazyParts extends Pick<Engine, 'flush' | 'compile'> {
  readonly recorder: Recorder;
  /** Calls of kernels that ran on the cpu backend. */
  readonly fallbacks: Readonly<Record<string, number>>;
  graphs(): GraphReport;
}

/** Registers a TensorFlow.js backend of the runtime's name that records, and runs graphs on the runtime. */
export function startLazy(runtime: GraphRuntime, options: RecorderOptions): LazyParts {
  const recorder = new Recorder(runtime, options);
  const backend = new GraphBackend(recorder);
  tf.registerBackend(runtime.name, () => backend);
  const fallback = new CpuFallback({
    read: (tensor) => backend.readTensor(tensor),
    write: (values, shape, dtype) => backend.write(values, shape, dtype),
    isHosted,
    keepOnHost: (dataId) => backend.keepOnHost(dataId),
    announce: (name) => recorder.observer?.refused(`${name} has no kernel on this engine and runs on the cpu backend`),
  });
  registerKernels(backend, fallback);
  return {
    recorder,
    fallbacks: fallback.counts,
    flush: () => recorder.flush(),
    compile: (fn) => new CompiledFunction(backend, fn).asFunction(),
    graphs: () => ({
      compiles: recorder.executables.compiles,
      compileMs: recorder.executables.compileMs,
      kept: recorder.executables.size,
      runs: recorder.flushes,
      pending: recorder.pendingNodes,
    }),
  };
}

type Handles = Record<string, TensorHandle | undefined> | TensorHandle[];

function toValues(backend: GraphBackend, inputs: Handles): unknown {
  if (Array.isArray(inputs)) return inputs.map((tensor) => backend.valueFor(tensor));
  const values: Record<string, Value> = {};
  for (const name in inputs) {
    const tensor = inputs[name];
    if (tensor) values[name] = backend.valueFor(tensor);
  }
  return values;
}

/** Whether a call is about text or complex numbers, which the cpu backend keeps and computes. */
function isForHost(inputs: Handles, attrs: unknown): boolean {
  if (isHosted((attrs as { dtype?: unknown } | undefined)?.dtype)) return true;
  if (Array.isArray(inputs)) return inputs.some((tensor) => isHosted(tensor.dtype));
  for (const name in inputs) if (isHosted(inputs[name]?.dtype)) return true;
  return false;
}

function kernelFunction(backend: GraphBackend, g: GraphBuilder, name: string, kernel: Kernel, fallback: CpuFallback) {
  const { recorder } = backend;
  const mayFail = dataDependent.has(name);
  const call: KernelFunction = ({ inputs, attrs = {} }) => {
    if (isForHost(inputs as Handles, attrs)) return fallback.call(name, inputs, attrs);
    const values = toValues(backend, inputs as Handles);
    recorder.kernel = name;
    recorder.site = mayFail ? captureSite() : null;
    const result = kernel(values as never, attrs as never, g);
    const handles = Array.isArray(result) ? result.map((value) => backend.handle(value)) : backend.handle(result);
    recorder.limit();
    return handles;
  };
  return call;
}

/** Registers the kernels under the engine's name, and those of the cpu backend that are missing among them. */
function registerKernels(backend: GraphBackend, fallback: CpuFallback): void {
  const { recorder } = backend;
  const backendName = recorder.runtime.name;
  const g = new GraphBuilder(recorder);
  const register = (kernelName: string, kernelFunc: KernelFunction): void =>
    tf.registerKernel({ kernelName, backendName, kernelFunc: kernelFunc as never });
  const own = { ...kernels, ...fusedKernels };
  for (const [name, kernel] of Object.entries(own)) register(name, kernelFunction(backend, g, name, kernel, fallback));
  for (const name of fallback.names()) {
    if (!Object.hasOwn(own, name)) register(name, ({ inputs, attrs }) => fallback.call(name, inputs, attrs));
  }
}
