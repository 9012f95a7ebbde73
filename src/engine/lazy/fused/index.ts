import type { FusedName } from '../../ops/index.ts';
import { fusedConv } from '../convolution/index.ts';
import { defineFused, type FusedKernel, type KernelDefinition } from '../kernel.ts';
import { attention, rotary } from './attention.ts';
import { adamw, gelu, layerNorm, linear, modulate, rmsNorm, silu } from './layers.ts';

const operations: { readonly [Name in FusedName]: FusedKernel<Name> } = {
  ...{ adamw, attention, conv: fusedConv, gelu, layerNorm, linear, modulate, rmsNorm, rotary, silu },
};

function kernelsOf<Name extends FusedName>(name: Name): KernelDefinition[] {
  return defineFused(name, operations[name]);
}

/** Kernels behind the fused operations of ../../ops. */
export const fusedKernels: readonly KernelDefinition[] = (Object.keys(operations) as FusedName[]).flatMap(kernelsOf);
