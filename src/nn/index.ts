/** `nn`: networks as values, their weights, and randomness that is the same on every machine. */
export type { CheckpointEntries } from './load.ts';
export { type Architecture, architecture, type Comparison, type LoadOptions, Net, type NetAbout } from './net.ts';
export { Key, random, type TorchGenerator } from './random.ts';
export { checkShapes, parameterCount, type ShapeDifferences, type Shapes } from './shapes.ts';
export { type HostFloats, stopGradient, toHost, toSigned, toTensor, toUnit } from './tensors.ts';
export type { Part, Tapped, ValueTap, WeightView } from './view.ts';
export { type WeightSource, Weights, type WeightsOptions } from './weights.ts';
