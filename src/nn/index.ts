export * from './load.ts';
export * from './lora.ts';
export * from './net.ts';
export * from './random.ts';
export * from './shapes.ts';
export * from './tensors.ts';
export * from './view.ts';
export * from './weights.ts';
