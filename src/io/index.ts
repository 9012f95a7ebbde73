export * from './atomic.ts';
export * from './clip.ts';
export * from './host-tensor.ts';
export { openPth, type PthFile } from './pth.ts';
export { PthError } from './pth-error.ts';
export * from './safetensors.ts';
export { SafetensorsError, type TensorInfo } from './safetensors-header.ts';
export { openShards } from './safetensors-shards.ts';
export * from './widen.ts';
