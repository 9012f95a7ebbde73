/**
 * The one place that imports TensorFlow.js. The union package is used because it alone registers
 * gradients and chained operations in Node; importing it twice would share or fight over a global engine.
 */
import tfjs from '@tensorflow/tfjs';

/** TensorFlow.js as the library uses it (the tensor language of the public API). */
export const tf: typeof import('@tensorflow/tfjs') = tfjs as unknown as typeof import('@tensorflow/tfjs');
export type {
  NamedTensorMap,
  Tensor,
  Tensor1D,
  Tensor2D,
  Tensor3D,
  Tensor4D,
  Tensor5D,
  Variable,
} from '@tensorflow/tfjs';
