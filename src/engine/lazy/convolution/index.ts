export { fusedConv } from './convolution.ts';
export { type Geometry, geometryOf, isFlat, remainder, tapsOf, triple } from './geometry.ts';
export { type Attributes2d, convKernels, convolution2d } from './kernels.ts';
