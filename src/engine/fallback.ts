/**
 * TensorFlow.js's cpu backend beside an engine: it computes the kernels that the engine lacks, on the same data and
 * counted. A fallback is right and never silent, but it runs what is pending and copies inputs and results.
 */
import type { DataType, KernelBackend } from '@tensorflow/tfjs';
import type { Capabilities } from './engine.ts';
import { tf } from './tf.ts';

/** What TensorFlow.js's interpreter can do; it computes where no engine is in use. */
export const cpuCapabilities: Capabilities = {
  device: 'cpu',
  precisions: ['float32'],
  devices: 1,
  copiesUploads: false,
  compiles: false,
};

/** What every engine runs on. */
export function ownVersions(): { tfjs: string; node: string } {
  return { tfjs: tf.version_core, node: process.version };
}

/** A tensor as TensorFlow.js hands it to kernels and takes it back. */
export interface TensorHandle {
  dataId: object;
  shape: number[];
  dtype: DataType;
}

export type TensorValues = Parameters<KernelBackend['write']>[0];

export type CpuBackend = KernelBackend & {
  makeTensorInfo(shape: number[], dtype: DataType, values: unknown): TensorHandle;
};

/** The cpu backend, without the advice that it prints at its first write in Node. */
export function quietCpuBackend(): CpuBackend {
  const backend = tf.findBackend('cpu') as CpuBackend & { firstUse?: boolean };
  backend.firstUse = false;
  return backend;
}

export type KernelFunction = (call: { inputs: unknown; attrs?: unknown }) => TensorHandle | TensorHandle[];
type CpuKernel = (call: { inputs: unknown; attrs: unknown; backend: CpuBackend }) => TensorHandle | TensorHandle[];
type Inputs = TensorHandle | null | undefined | Inputs[] | { [name: string]: Inputs };

/** Where the tensors of the engine live. */
export interface TensorHome {
  read(tensor: TensorHandle): TensorValues;
  write(values: TensorValues, shape: number[], dtype: DataType): object;
  /** Whether tensors of this type lie on the cpu backend anyway. */
  isHosted?(dtype: DataType): boolean;
  /** Takes over the data of a hosted tensor. */
  keepOnHost?(dataId: object): void;
  /** Hears of a call before it is computed. */
  announce?(kernelName: string): void;
}

function isHandle(value: object): value is TensorHandle {
  return 'dataId' in value;
}

/** Kernels of the cpu backend as kernels of another. */
export class CpuFallback {
  readonly counts: Record<string, number> = {};
  readonly #home: TensorHome;
  readonly #cpu = quietCpuBackend();
  readonly #kernels: ReadonlyMap<string, CpuKernel>;

  constructor(home: TensorHome) {
    this.#home = home;
    const all = tf.getKernelsForBackend('cpu');
    this.#kernels = new Map(all.map(({ kernelName, kernelFunc }) => [kernelName, kernelFunc as unknown as CpuKernel]));
  }

  names(): string[] {
    return [...this.#kernels.keys()];
  }

  /** The kernel of the cpu backend on copies of the inputs. Throws when it has none of this name. */
  call(name: string, inputs: unknown, attrs: unknown): TensorHandle | TensorHandle[] {
    const kernel = this.#kernels.get(name);
    if (!kernel) throw new Error(`${name} does not take tensors of string or complex64`);
    this.counts[name] = (this.counts[name] ?? 0) + 1;
    this.#home.announce?.(name);
    const copies: TensorHandle[] = [];
    try {
      const result = kernel({ inputs: this.#lend(inputs as Inputs, copies), attrs, backend: this.#cpu });
      return Array.isArray(result) ? result.map((info) => this.#take(info)) : this.#take(result);
    } finally {
      for (const { dataId } of copies) this.#cpu.disposeData(dataId);
    }
  }

  /** The inputs, however nested, with the data of each tensor on the cpu backend. */
  #lend(inputs: Inputs, copies: TensorHandle[]): unknown {
    if (!inputs) return inputs;
    if (Array.isArray(inputs)) return inputs.map((item) => this.#lend(item, copies));
    if (!isHandle(inputs)) {
      return Object.fromEntries(Object.entries(inputs).map(([name, item]) => [name, this.#lend(item, copies)]));
    }
    const { shape, dtype } = inputs;
    if (this.#home.isHosted?.(dtype)) return inputs;
    const copy = this.#cpu.makeTensorInfo(shape, dtype, this.#home.read(inputs));
    copies.push(copy);
    return { ...copy, rank: shape.length, size: tf.util.sizeFromShape(shape) };
  }

  #take({ dataId, shape, dtype }: TensorHandle): TensorHandle {
    if (this.#home.isHosted?.(dtype)) {
      this.#home.keepOnHost?.(dataId);
      return { dataId, shape, dtype };
    }
    const values = this.#cpu.readSync(dataId);
    this.#cpu.disposeData(dataId);
    return { dataId: this.#home.write(values, shape, dtype), shape, dtype };
  }
}
