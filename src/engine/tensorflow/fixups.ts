/**
 * What the JavaScript of tfjs-node 4.22 (2024) needs to run on today's TensorFlow and Node:
 * - helpers of node:util that Node 23 removed
 * - Round of int32, which returns 0 in newer TensorFlow; Sign and ScatterNd, which differ from TensorFlow.js
 * - kernels that tfjs-node never had, or that refuse a configuration (NCHW, explicit padding, a dtype): the cpu
 *   backend computes them on copies of the data, and each call is counted
 */
import { createRequire } from 'node:module';
import type { KernelBackend, KernelConfig } from '@tensorflow/tfjs';
import { CpuFallback, type TensorHandle } from '../fallback.ts';
import { tf } from '../tf.ts';
import { TensorflowError } from './binding.ts';

const backendName = 'tensorflow';

/** Kernels that run on the cpu backend when TensorFlow refuses a call. */
const mayRefuse = [
  ...['AvgPool', 'AvgPoolGrad', 'MaxPool', 'MaxPoolGrad', 'AvgPool3D', 'AvgPool3DGrad', 'MaxPool3D', 'MaxPool3DGrad'],
  ...['Conv2D', 'Conv2DBackpropInput', 'Conv2DBackpropFilter', 'FusedConv2D'],
  ...['Greater', 'GreaterEqual', 'Less', 'LessEqual', 'Step', 'LeakyRelu', 'Diag', 'ArgMax', 'Unique'],
  ...['Atan2', 'Ceil', 'Floor', 'Sqrt', 'Exp', 'Max', 'Min', 'UnsortedSegmentSum'],
];

/** Kernels whose results differ from TensorFlow.js. */
const differ = ['ScatterNd', 'Sign'];

type Call = Parameters<KernelConfig['kernelFunc']>[0];
type Kernel = (call: Call) => TensorHandle | TensorHandle[];

/** Restores what Node 23 removed from node:util and tfjs-node calls. */
export function restoreUtilities(): void {
  const util = createRequire(import.meta.url)('node:util') as Record<string, unknown>;
  util['isNullOrUndefined'] ??= (value: unknown) => value === null || value === undefined;
  util['isArray'] ??= Array.isArray;
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
    const x = call.inputs['x'] as TensorHandle;
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

/** Completes the kernels of tfjs-node; returns the number of calls of each that the cpu backend computed. */
export function completeKernels(backend: KernelBackend): Readonly<Record<string, number>> {
  const fallback = new CpuFallback({
    read: ({ dataId }) => backend.readSync(dataId),
    write: (values, shape, dtype) => backend.write(values, shape, dtype),
  });
  const onCpu =
    (name: string): Kernel =>
    ({ inputs, attrs }) =>
      fallback.call(name, inputs, attrs);
  const present = new Set(tf.getKernelsForBackend(backendName).map(({ kernelName }) => kernelName));
  for (const kernelName of fallback.names()) {
    if (!present.has(kernelName))
      tf.registerKernel({ kernelName, backendName, kernelFunc: onCpu(kernelName) as never });
  }
  replace('Round', roundFloats);
  for (const name of differ) replace(name, () => onCpu(name));
  for (const name of mayRefuse) {
    if (tf.getKernel(name, 'cpu')) replace(name, (own) => withFallback(own, onCpu(name)));
  }
  return fallback.counts;
}
