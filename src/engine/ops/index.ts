export { adamwStep } from './adamw.ts';
export { type AttentionOptions, attention, rotary } from './attention.ts';
export { type Conv2dOptions, type Conv3dOptions, conv2d, conv3d } from './conv.ts';
export {
  type ConvWindow,
  type FusedName,
  type FusedOperations,
  type GeluForm,
  kernelNames,
  maskedLogit,
} from './fused.ts';
export { gelu, layerNorm, linear, modulate, rmsNorm, silu, softmaxCrossEntropy } from './layers.ts';
