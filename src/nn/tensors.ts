/** Values between host and engine, ranges of pixels, and what a gradient shall not see. */
import { type Tensor, tf } from '../engine/tf.ts';
import { type HostTensor, hostTensor, toFloat32 } from '../io/index.ts';

/** A float32 array on the host with its shape; what every draw returns and what `tf.tensor` and weights accept. */
export interface HostFloats {
  dtype: 'float32';
  shape: number[];
  data: Float32Array;
}

/**
 * A tensor on the current engine from host data: floats of every width become float32, integers of up to 32 bits int32,
 * bool stays bool.
 *
 * @throws TypeError for 64-bit and unsigned integers that int32 cannot hold.
 */
export function toTensor(host: HostTensor): Tensor {
  const { dtype, shape, data } = host;
  if (dtype === 'bool') return tf.tensor(data as Uint8Array, shape, 'bool');
  if (dtype === 'int32') return tf.tensor(data as Int32Array, shape, 'int32');
  if (dtype === 'int64' || dtype === 'uint64' || dtype === 'uint32') {
    throw new TypeError(
      `${dtype} does not fit a tensor of TensorFlow.js: convert the values to int32 or float32 first`,
    );
  }
  const isInteger = dtype.startsWith('int') || dtype.startsWith('uint');
  if (isInteger) return tf.tensor(Int32Array.from(data as Uint8Array), shape, 'int32');
  return tf.tensor(toFloat32(host), shape, 'float32');
}

/** Host copy of a tensor; waits until its values are computed. */
export async function toHost(tensor: Tensor): Promise<HostTensor> {
  const data = await tensor.data();
  if (data instanceof Float32Array) return hostTensor('float32', tensor.shape, data);
  if (data instanceof Int32Array) return hostTensor('int32', tensor.shape, data);
  if (data instanceof Uint8Array) return hostTensor('bool', tensor.shape, data);
  throw new TypeError(`a tensor of dtype ${tensor.dtype} has no host form: wanted float32, int32 or bool`);
}

/** The same values as a constant: an enclosing gradient does not look at how `x` was computed. */
export function stopGradient(x: Tensor): Tensor {
  return withoutGradient(() => tf.clone(x));
}

/** Runs `f` so that an enclosing gradient takes its results for constants and keeps nothing to differentiate it. */
export function withoutGradient<T>(f: () => T): T {
  const { state } = tf.engine();
  state.kernelDepth++; // operations inside of a kernel are not recorded
  try {
    return f();
  } finally {
    state.kernelDepth--;
  }
}

/** Pixels of [-1, 1], as VAEs and most image towers have them, in [0, 1], as clips and frames are. */
export function toUnit(x: Tensor): Tensor {
  return tf.add(tf.mul(x, 0.5), 0.5);
}

/** Pixels of [0, 1] in [-1, 1]. */
export function toSigned(x: Tensor): Tensor {
  return tf.sub(tf.mul(x, 2), 1);
}
