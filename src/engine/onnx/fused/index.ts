import type { KernelDefinition } from '../define.ts';

/** Kernels behind the fused operations of src/engine/ops. */
export const fusedKernels: readonly KernelDefinition[] = [];
