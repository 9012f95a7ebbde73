/** `nn`: networks as values, their weights, and randomness that is the same on every machine. */
export type { CheckpointEntries } from './load.ts';
export { type LoraOptions, lora, mergeLora, scaleLora, withoutLora } from './lora.ts';
export { type Architecture, architecture, type Comparison, type LoadOptions, Net, type NetAbout } from './net.ts';
export { type Key, random, type TorchGenerator } from './random.ts';
export { parameterCount, type ShapeDifferences, type Shapes } from './shapes.ts';
export { type HostFloats, stopGradient, toHost, toSigned, toTensor, toUnit } from './tensors.ts';
export {
  type Overlay,
  type Part,
  type Tapped,
  type ValueTap,
  type WeightSource,
  Weights,
  type WeightsOptions,
  type WeightView,
} from './weights.ts';
