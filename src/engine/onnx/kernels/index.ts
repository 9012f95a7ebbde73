import type { KernelDefinition } from '../define.ts';
import { binaryKernels } from './binary.ts';
import { unaryKernels } from './unary.ts';

/** Kernels of TensorFlow.js that run natively. */
export const kernels: readonly KernelDefinition[] = [...unaryKernels, ...binaryKernels];
