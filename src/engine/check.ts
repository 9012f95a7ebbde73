/**
 * Putting something around every kernel of a backend: a clock, or the check of `engine.use(name, { check: 'finite' })`.
 * With it every kernel is run at once, and the first whose result holds a NaN or an infinity that none of its inputs
 * held throws. Kernels without inputs (fill) may make infinities.
 */
import type { KernelBackend, KernelConfig } from '@tensorflow/tfjs';
import type { TensorHandle } from './fallback.ts';
import { tf } from './tf.ts';

type Kernel = KernelConfig['kernelFunc'];
type Call = Parameters<Kernel>[0];

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

/** Backends whose kernels are checked, with the way back. */
const restores = new Map<string, () => void>();

/** Turns the check of a backend's kernels on or off. */
export function checkFinite(backendName: string, isOn: boolean): void {
  const restore = restores.get(backendName);
  if (isOn === (restore !== undefined)) return;
  restore?.();
  if (isOn) restores.set(backendName, replaceKernels(backendName, checked));
  else restores.delete(backendName);
}

function checked({ kernelName, kernelFunc }: KernelConfig): Kernel {
  return (call) => {
    const result = kernelFunc(call);
    for (const output of [result].flat() as TensorHandle[]) checkOutput(kernelName, output, call);
    return result;
  };
}

function checkOutput(kernelName: string, output: TensorHandle, call: Call): void {
  const backend = call.backend as KernelBackend;
  const bad = firstBad(output, backend);
  if (bad === null) return;
  const inputs = Object.values(call.inputs).flat() as (TensorHandle | undefined)[];
  const present = inputs.filter((input) => input !== undefined && input !== null);
  if (present.length === 0 || present.some((input) => firstBad(input, backend) !== null)) return;
  const shapes = present.map(({ dtype, shape }) => `${dtype}[${shape}]`).join(', ');
  throw new Error(
    `${kernelName}(${shapes}) made ${bad.value} at index ${bad.index} of its result ${output.dtype}[${output.shape}], ` +
      "from finite inputs; found by engine.use(name, { check: 'finite' })",
  );
}

/** The first NaN or infinity of a float tensor. */
function firstBad({ dataId, dtype }: TensorHandle, backend: KernelBackend): { index: number; value: number } | null {
  if (dtype !== 'float32') return null;
  const values = backend.readSync(dataId) as Float32Array;
  const index = values.findIndex((value) => !Number.isFinite(value));
  return index < 0 ? null : { index, value: values[index]! };
}
