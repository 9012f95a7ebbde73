import type { KernelDefinition } from '../define.ts';
import { activationKernels } from './activation.ts';
import { adamwKernels } from './adamw.ts';
import { attentionKernels } from './attention.ts';
import { convKernels } from './conv.ts';
import { linearKernels } from './linear.ts';
import { normKernels } from './norm.ts';
import { rotaryKernels } from './rotary.ts';

/** Kernels behind the fused operations of src/engine/ops. */
export const fusedKernels: readonly KernelDefinition[] = [
  ...activationKernels,
  ...adamwKernels,
  ...attentionKernels,
  ...convKernels,
  ...linearKernels,
  ...normKernels,
  ...rotaryKernels,
];
