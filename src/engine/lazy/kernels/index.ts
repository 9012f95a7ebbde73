import { convKernels } from '../convolution/index.ts';
import type { KernelDefinition } from '../kernel.ts';
import { binaryKernels } from './binary.ts';
import { poolKernels } from './pool.ts';
import { positionKernels } from './positions.ts';
import { productKernels } from './products.ts';
import { reduceKernels } from './reduce.ts';
import { resizeKernels } from './resize.ts';
import { shapeKernels } from './shape.ts';
import { unaryKernels } from './unary.ts';

/** Kernels of TensorFlow.js that are written as nodes of the recorded graph, a list per file. */
export const kernels: readonly KernelDefinition[] = [
  ...unaryKernels,
  ...binaryKernels,
  ...reduceKernels,
  ...productKernels,
  ...shapeKernels,
  ...positionKernels,
  ...convKernels,
  ...poolKernels,
  ...resizeKernels,
];
