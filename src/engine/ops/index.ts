export { type GeluForm, gelu, silu } from './activation.ts';
export { type AdamwStep, adamwStep } from './adamw.ts';
export { type AttentionOptions, attention } from './attention.ts';
export { type Conv2dOptions, type Conv3dOptions, conv2d, conv3d } from './conv.ts';
export { linear } from './linear.ts';
export { softmaxCrossEntropy } from './loss.ts';
export { layerNorm, modulate, rmsNorm } from './norm.ts';
export { rotary } from './rotary.ts';
