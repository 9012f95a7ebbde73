/**
 * TensorFlow.js's cpu backend beside this engine. It computes the kernels that the engine lacks, on the same data and
 * counted: a fallback is right and never silent, but it runs what is pending and copies inputs and results. And it
 * keeps the tensors that ONNX Runtime has no use for: text and complex numbers.
 */
import type { DataType, KernelBackend } from '@tensorflow/tfjs';
import { quietCpuBackend } from '../cpu/engine.ts';
import { tf } from '../tf.ts';
import type { OnnxBackend, TensorHandle } from './backend.ts';

/** The parts of the cpu backend used here. */
export type CpuBackend = KernelBackend & {
  makeTensorInfo(shape: number[], dtype: DataType, values: unknown): TensorHandle;
};

export type KernelFunction = (call: { inputs: unknown; attrs?: unknown }) => TensorHandle | TensorHandle[];
type CpuKernel = (call: { inputs: unknown; attrs: unknown; backend: CpuBackend }) => TensorHandle | TensorHandle[];
type Inputs = TensorHandle | null | undefined | Inputs[] | { [name: string]: Inputs };

/** The cpu backend, quiet. */
export function cpuBackend(): CpuBackend {
  return quietCpuBackend() as CpuBackend;
}

/** Types of tensors that stay on the cpu backend. */
export function isHosted(dtype: unknown): boolean {
  return dtype === 'string' || dtype === 'complex64';
}

function isHandle(value: object): value is TensorHandle {
  return 'dataId' in value;
}

/** Kernels of the cpu backend as kernels of this one. */
export class Fallbacks {
  /** Calls of each kernel that was missing. */
  readonly counts: Record<string, number> = {};
  private readonly backend: OnnxBackend;
  private readonly kernels: ReadonlyMap<string, CpuKernel>;

  constructor(backend: OnnxBackend) {
    this.backend = backend;
    const all = tf.getKernelsForBackend('cpu');
    this.kernels = new Map(all.map(({ kernelName, kernelFunc }) => [kernelName, kernelFunc as unknown as CpuKernel]));
  }

  names(): string[] {
    return [...this.kernels.keys()];
  }

  /** The kernel of the cpu backend on copies of the inputs. Throws when it has none of this name. */
  call(name: string, inputs: unknown, attrs: unknown): TensorHandle | TensorHandle[] {
    const kernel = this.kernels.get(name);
    if (!kernel) throw new Error(`${name} does not take tensors of string or complex64`);
    this.counts[name] = (this.counts[name] ?? 0) + 1;
    this.backend.recorder.observer?.refused(`${name} has no kernel on this engine and runs on the cpu backend`);
    const copies: TensorHandle[] = [];
    const lent = this.lend(inputs as Inputs, copies);
    try {
      const result = kernel({ inputs: lent, attrs, backend: this.backend.host });
      return Array.isArray(result) ? result.map((info) => this.take(info)) : this.take(result);
    } finally {
      for (const { dataId } of copies) this.backend.host.disposeData(dataId);
    }
  }

  /** The inputs, however nested, with the data of each tensor on the cpu backend. */
  private lend(inputs: Inputs, copies: TensorHandle[]): unknown {
    if (!inputs) return inputs;
    if (Array.isArray(inputs)) return inputs.map((item) => this.lend(item, copies));
    if (!isHandle(inputs)) {
      return Object.fromEntries(Object.entries(inputs).map(([name, item]) => [name, this.lend(item, copies)]));
    }
    if (isHosted(inputs.dtype)) return inputs;
    const { shape, dtype } = inputs;
    const copy = this.backend.host.makeTensorInfo(shape, dtype, this.backend.readTensor(inputs));
    copies.push(copy);
    return { ...copy, rank: shape.length, size: tf.util.sizeFromShape(shape) };
  }

  private take(info: TensorHandle): TensorHandle {
    const { dataId, shape, dtype } = info;
    if (isHosted(dtype)) {
      this.backend.keepOnHost(dataId);
      return { dataId, shape, dtype };
    }
    const values = this.backend.host.readSync(dataId);
    this.backend.host.disposeData(dataId);
    return { dataId: this.backend.write(values, shape, dtype), shape, dtype };
  }
}
