/**
 * Kernels that this engine lacks run on TensorFlow.js's cpu backend with the same data, and are counted: a fallback
 * is always right and never silent, but it runs what is pending and copies its inputs and results.
 */
import type { DataType, KernelBackend } from '@tensorflow/tfjs';
import { quietCpuBackend } from '../cpu/engine.ts';
import { tf } from '../tf.ts';
import type { OnnxBackend, TensorHandle } from './backend.ts';

/** The parts of the cpu backend used here. */
type CpuBackend = KernelBackend & {
  makeTensorInfo(shape: number[], dtype: DataType, values: unknown): TensorHandle;
};

type CpuKernel = (call: { inputs: object; attrs: unknown; backend: CpuBackend }) => TensorHandle | TensorHandle[];

/** Calls of each missing kernel so far. */
export class Fallbacks {
  readonly counts: Record<string, number> = {};
  private readonly backend: OnnxBackend;
  private readonly cpu: CpuBackend;

  constructor(backend: OnnxBackend) {
    this.backend = backend;
    this.cpu = quietCpuBackend() as CpuBackend;
  }

  /** A kernel function for this engine that runs the cpu backend's. */
  wrap(name: string, run: CpuKernel): (call: { inputs: unknown; attrs?: unknown }) => TensorHandle | TensorHandle[] {
    return ({ inputs, attrs }) => {
      this.counts[name] = (this.counts[name] ?? 0) + 1;
      this.backend.recorder.observer?.refused(`${name} has no kernel on this engine and runs on the cpu backend`);
      return this.call(run, inputs as object, attrs);
    };
  }

  private call(run: CpuKernel, inputs: object, attrs: unknown): TensorHandle | TensorHandle[] {
    const copies = Object.entries(inputs).map(([key, tensor]) => [key, tensor ? this.lend(tensor) : tensor] as const);
    const lent = Array.isArray(inputs) ? copies.map(([, copy]) => copy) : Object.fromEntries(copies);
    try {
      const result = run({ inputs: lent, attrs, backend: this.cpu });
      return Array.isArray(result) ? result.map((info) => this.take(info)) : this.take(result);
    } finally {
      for (const [, copy] of copies) if (copy) this.cpu.disposeData(copy.dataId);
    }
  }

  private lend(tensor: TensorHandle): TensorHandle {
    const values = this.backend.readSync(this.backend.valueFor(tensor));
    return this.cpu.makeTensorInfo(tensor.shape, tensor.dtype, values);
  }

  private take({ dataId, shape, dtype }: TensorHandle): TensorHandle {
    const values = this.cpu.readSync(dataId);
    this.cpu.disposeData(dataId);
    return { dataId: this.backend.write(values, shape, dtype), shape, dtype };
  }
}

/** Registers a fallback for each kernel that the cpu backend has and this one has not. */
export function registerFallbacks(backend: OnnxBackend, backendName: string): Fallbacks {
  const fallbacks = new Fallbacks(backend);
  for (const { kernelName, kernelFunc } of tf.getKernelsForBackend('cpu')) {
    if (tf.getKernel(kernelName, backendName)) continue;
    const wrapped = fallbacks.wrap(kernelName, kernelFunc as unknown as CpuKernel);
    tf.registerKernel({ kernelName, backendName, kernelFunc: wrapped as never });
  }
  return fallbacks;
}
