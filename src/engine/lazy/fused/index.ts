import { type FusedName, kernelNames } from '../../ops/index.ts';
import { fusedConv } from '../convolution/convolution.ts';
import type { FusedKernel, Kernel, Kernels } from '../kernel.ts';
import { attention, rotary } from './attention.ts';
import { adamw, gelu, layerNorm, linear, modulate, rmsNorm, silu } from './layers.ts';

const operations: { readonly [Name in FusedName]: FusedKernel<Name> } = {
  adamw,
  attention,
  conv: fusedConv,
  gelu,
  layerNorm,
  linear,
  modulate,
  rmsNorm,
  rotary,
  silu,
};

function entriesOf(name: FusedName): [string, Kernel][] {
  const { forward, gradient } = kernelNames(name);
  const kernel = operations[name];
  return [[forward, kernel.forward], ...(kernel.gradient ? [[gradient, kernel.gradient] as [string, Kernel]] : [])];
}

/** Kernels behind the fused operations of ../../ops. */
export const fusedKernels: Kernels = Object.fromEntries((Object.keys(operations) as FusedName[]).flatMap(entriesOf));
