/**
 * The one place that imports TensorFlow.js. The union package is used because it alone registers
 * gradients and chained operations in Node; importing it twice would share or fight over a global engine.
 */
import tfjs, { type Variable } from '@tensorflow/tfjs';

/** TensorFlow.js as the library uses it (the tensor language of the public API). */
export const tf: typeof import('@tensorflow/tfjs') = withAdvice(tfjs as unknown as typeof import('@tensorflow/tfjs'));

/** Until an engine is chosen, TensorFlow.js interprets, and advises its own addon: this says once what helps here. */
function withAdvice(module: typeof import('@tensorflow/tfjs')): typeof import('@tensorflow/tfjs') {
  const { backend_util: util } = module;
  let isNews = true;
  Object.defineProperty(Object.getPrototypeOf(module.findBackend('cpu')), 'firstUse', {
    get: () => {
      if (isNews) util.warn("TensorFlow.js's interpreter computes; `await engine.use('auto')` is many times faster");
      isNews = false;
      return false;
    },
    set: (news: boolean) => {
      isNews &&= news;
    },
  });
  return module;
}

/** TensorFlow.js's own bookkeeping, as far as engines need it; there is no public way to ask for it. */
interface EngineState {
  registeredVariables: Record<string, Variable>;
  gradientDepth: number;
  kernelDepth: number;
}

/** All variables by name, how many gradients are being recorded, and how many kernels call each other. */
export function engineState(): EngineState {
  return (tf.engine() as unknown as { state: EngineState }).state;
}

/** Whether operations called now are recorded for a gradient. */
export function isTapeOn(): boolean {
  const { gradientDepth, kernelDepth } = engineState();
  return gradientDepth > 0 && kernelDepth === 0;
}

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
