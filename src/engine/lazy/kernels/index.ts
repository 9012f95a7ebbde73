import { convKernels } from '../convolution/kernels.ts';
import type { Kernels } from '../kernel.ts';
import { binaryKernels } from './binary.ts';
import { poolKernels } from './pool.ts';
import { positionKernels } from './positions.ts';
import { productKernels } from './products.ts';
import { reduceKernels } from './reduce.ts';
import { resizeKernels } from './resize.ts';
import { shapeKernels } from './shape.ts';
import { unaryKernels } from './unary.ts';

export { dataDependent } from './positions.ts';

/** Kernels of TensorFlow.js that are written as nodes of the recorded graph, a map per file. */
export const kernels: Kernels = {
  ...{ ...unaryKernels, ...binaryKernels, ...reduceKernels, ...productKernels, ...shapeKernels },
  ...{ ...positionKernels, ...convKernels, ...poolKernels, ...resizeKernels },
};
