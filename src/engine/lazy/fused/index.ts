import { fusedConv } from '../convolution/index.ts';
import { defineFused, defineUpdate, type KernelDefinition } from '../kernel.ts';
import { adamw } from './adamw.ts';
import { attention, rotary } from './attention.ts';
import { gelu, layerNorm, linear, modulate, rmsNorm, silu } from './layers.ts';

/** Kernels behind the fused operations of ../../ops. */
export const fusedKernels: readonly KernelDefinition[] = [
  ...defineFused('attention', attention),
  ...defineFused('conv', fusedConv),
  ...defineFused('gelu', gelu),
  ...defineFused('layerNorm', layerNorm),
  ...defineFused('linear', linear),
  ...defineFused('modulate', modulate),
  ...defineFused('rmsNorm', rmsNorm),
  ...defineFused('rotary', rotary),
  ...defineFused('silu', silu),
  defineUpdate('adamw', adamw),
];
