import type { KernelDefinition } from '../define.ts';
import { binaryKernels } from './binary.ts';
import { composedKernels } from './composed.ts';
import { convKernels } from './conv.ts';
import { createKernels } from './create.ts';
import { gatherKernels } from './gather.ts';
import { matmulKernels } from './matmul.ts';
import { normKernels } from './norm.ts';
import { poolKernels } from './pool.ts';
import { reduceKernels } from './reduce.ts';
import { resizeKernels } from './resize.ts';
import { shapeKernels } from './shape.ts';
import { unaryKernels } from './unary.ts';

/** Kernels of TensorFlow.js that run natively, a list per file. */
export const kernels: readonly KernelDefinition[] = [
  ...unaryKernels,
  ...binaryKernels,
  ...reduceKernels,
  ...matmulKernels,
  ...shapeKernels,
  ...gatherKernels,
  ...createKernels,
  ...normKernels,
  ...convKernels,
  ...poolKernels,
  ...resizeKernels,
  ...composedKernels,
];
