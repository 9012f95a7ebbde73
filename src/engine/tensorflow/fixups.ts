/**
 * What the JavaScript of tfjs-node 4.22 (2024) needs to run on today's TensorFlow and Node:
 * - helpers of node:util that Node 23 removed
 * - Round of int32, which returns 0 in newer TensorFlow; Sign and ScatterNd, which differ from TensorFlow.js
 * - kernels that tfjs-node never had, or that refuse a configuration (NCHW, explicit padding, a dtype): the cpu
 *   backend computes them on copies of the data, and each call is counted
 */
import { createRequire } from 'node:module';
import type { DataType, KernelBackend, KernelConfig } from '@tensorflow/tfjs';
import { quietCpuBackend } from '../cpu/engine.ts';
import { tf } from '../tf.ts';
import { TensorflowError } from './binding.ts';

const backendName = 'tensorflow';

/** Kernels that run on the cpu backend when TensorFlow refuses a call. */
const mayRefuse = [
  ...['AvgPool', 'AvgPoolGrad', 'MaxPool', 'MaxPoolGrad', 'AvgPool3D', 'AvgPool3DGrad', 'MaxPool3D', 'MaxPool3DGrad'],
  ...['Conv2D', 'Conv2DBackpropInput', 'Conv2DBackpropFilter', 'FusedConv2D'],
  ...['Greater', 'GreaterEqual', 'Less', 'LessEqual', 'Step', 'LeakyRelu', 'Diag', 'ArgMax', 'Unique'],
];

/** Kernels whose results differ from TensorFlow.js. */
const differ = ['ScatterNd', 'Sign'];

interface Handle {
  dataId: object;
  shape: number[];
  dtype: DataType;
}

type Call = Parameters<KernelConfig['kernelFunc']>[0];
type Kernel = (call: Call) => Handle | Handle[];

/** Restores what Node 23 removed from node:util and tfjs-node calls. */
export function restoreUtilities(): void {
  const util = createRequire(import.meta.url)('node:util') as Record<string, unknown>;
  util['isNullOrUndefined'] ??= (value: unknown) => value === null || value === undefined;
  util['isArray'] ??= Array.isArray;
}

/** A kernel of the cpu backend as one of the tensorflow backend. */
function onCpu(name: string, counts: Record<string, number>): Kernel {
  const cpu = quietCpuBackend() as KernelBackend;
  const { kernelFunc } = tf.getKernel(name, 'cpu');
  return (call) => {
    const { inputs, backend } = call;
    counts[name] = (counts[name] ?? 0) + 1;
    const own = backend as KernelBackend;
    const copies: object[] = [];
    const lend = (tensor: Handle | Handle[] | null | undefined): unknown => {
      if (!tensor) return tensor;
      if (Array.isArray(tensor)) return tensor.map(lend);
      const { dataId, shape, dtype } = tensor;
      const copy = cpu.write(own.readSync(dataId), shape, dtype);
      copies.push(copy);
      return { dataId: copy, shape, dtype };
    };
    const take = ({ dataId, shape, dtype }: Handle): Handle => {
      const values = cpu.readSync(dataId);
      cpu.disposeData(dataId);
      return { dataId: own.write(values, shape, dtype), shape, dtype };
    };
    try {
      const lent = Object.fromEntries(Object.entries(inputs).map(([key, tensor]) => [key, lend(tensor as Handle)]));
      const result = kernelFunc({ ...call, inputs: lent as never, backend: cpu }) as Handle | Handle[];
      return Array.isArray(result) ? result.map(take) : take(result);
    } finally {
      for (const copy of copies) cpu.disposeData(copy, true);
    }
  };
}

/** Replaces a kernel of the backend by one that is made from it. */
function replace(name: string, make: (own: Kernel) => Kernel): void {
  const config = tf.getKernel(name, backendName);
  if (!config) return;
  tf.unregisterKernel(name, backendName);
  tf.registerKernel({ ...config, kernelFunc: make(config.kernelFunc as Kernel) as never });
}

/** Integers are round; the result shares the data of x. */
function roundFloats(own: Kernel): Kernel {
  return (call) => {
    const x = call.inputs['x'] as Handle;
    if (x.dtype !== 'int32') return own(call);
    (call.backend as KernelBackend).incRef(x.dataId);
    return { dataId: x.dataId, shape: x.shape, dtype: 'int32' };
  };
}

/** Tries the kernel, then the cpu backend's; memory that ran out is no refusal. */
function withFallback(own: Kernel, other: Kernel): Kernel {
  return (call) => {
    try {
      return own(call);
    } catch (error) {
      if (error instanceof TensorflowError && error.isOutOfMemory) throw error;
      return other(call);
    }
  };
}

/** Completes the kernels of tfjs-node; `counts` hears of each call that the cpu backend computed. */
export function completeKernels(counts: Record<string, number>): void {
  const present = new Set(tf.getKernelsForBackend(backendName).map(({ kernelName }) => kernelName));
  for (const { kernelName } of tf.getKernelsForBackend('cpu')) {
    if (present.has(kernelName)) continue;
    tf.registerKernel({ kernelName, backendName, kernelFunc: onCpu(kernelName, counts) as never });
  }
  replace('Round', roundFloats);
  for (const name of differ) replace(name, () => onCpu(name, counts));
  for (const name of mayRefuse) {
    if (tf.getKernel(name, 'cpu')) replace(name, (own) => withFallback(own, onCpu(name, counts)));
  }
}
