/** Putting something around every kernel of a backend: a check, a clock. */
import type { KernelConfig } from '@tensorflow/tfjs';
import { tf } from './tf.ts';

type Kernel = KernelConfig['kernelFunc'];

/** Replaces every kernel of a backend by what `wrap` makes of it; returns the way back. */
export function replaceKernels(backendName: string, wrap: (config: KernelConfig) => Kernel): () => void {
  const before = tf.getKernelsForBackend(backendName);
  const register = (configs: readonly KernelConfig[]): void => {
    for (const config of configs) {
      tf.unregisterKernel(config.kernelName, backendName);
      tf.registerKernel(config);
    }
  };
  register(before.map((config) => ({ ...config, kernelFunc: wrap(config) })));
  return () => register(before);
}
