/** TensorFlow.js's own bookkeeping, as far as engines need it; there is no public way to ask for it. */
import type { Variable } from '@tensorflow/tfjs';
import { tf } from './tf.ts';

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
