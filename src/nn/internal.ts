/** What the layers above build networks with beside the public names. */
export { adapt, type Change, type Changes, changeName, moduleOf, wantedAdapter } from './adapter.ts';
export {
  checkFinite,
  copiesUploads,
  fromFile,
  isFiniteTensor,
  type LoraDescription,
  loadChecked,
  loraOf,
  loraText,
  plainName,
  widener,
} from './load.ts';
export { factorsOf } from './lora.ts';
export { checksumOf, type OwnedWeights, overlayChecksum } from './net.ts';
export {
  checkShapes,
  constant,
  fans,
  normal,
  sameShape,
  shapeDifferences,
  xavierUniform,
} from './shapes.ts';
export { withoutGradient } from './tensors.ts';
export { type LentResult, ownTensor, shapesOf, tapBelow, withBlock } from './weights.ts';
