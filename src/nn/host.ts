import { type Tensor, tf } from '../engine/tf.ts';
import { type HostTensor, hostTensor, toFloat32 } from '../io/index.ts';

/**
 * A tensor on the current engine from host data.
 *
 * Floats of every width become float32; int32, int16, int8 and uint8 become int32; bool stays bool.
 *
 * @throws TypeError for 64-bit and unsigned integers that int32 cannot hold.
 */
export function toTensor(host: HostTensor): Tensor {
  const { dtype, shape, data } = host;
  switch (dtype) {
    case 'bool':
      return tf.tensor(data as Uint8Array, shape, 'bool');
    case 'int32':
      return tf.tensor(data as Int32Array, shape, 'int32');
    case 'int16':
    case 'int8':
    case 'uint16':
    case 'uint8':
      return tf.tensor(Int32Array.from(data as Uint8Array), shape, 'int32');
    case 'int64':
    case 'uint64':
    case 'uint32':
      throw new TypeError(
        `${dtype} does not fit a tensor of TensorFlow.js: convert the values to int32 or float32 first`,
      );
    default:
      return tf.tensor(toFloat32(host), shape, 'float32');
  }
}

/** Host copy of a tensor; waits until its values are computed. */
export async function toHost(tensor: Tensor): Promise<HostTensor> {
  const data = await tensor.data();
  if (data instanceof Float32Array) return hostTensor('float32', tensor.shape, data);
  if (data instanceof Int32Array) return hostTensor('int32', tensor.shape, data);
  if (data instanceof Uint8Array) return hostTensor('bool', tensor.shape, data);
  throw new TypeError(`a tensor of dtype ${tensor.dtype} has no host form: wanted float32, int32 or bool`);
}
