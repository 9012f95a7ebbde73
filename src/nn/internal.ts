/** What the layers above build networks with beside the public names. */
export {
  checkFinite,
  copiesUploads,
  fromFile,
  isFiniteTensor,
  loadChecked,
  widener,
} from './load.ts';
export { type LoraDescription, loraOf, loraText } from './lora.ts';
export { checksumOf } from './net.ts';
export {
  constant,
  fans,
  normal,
  sameShape,
  shapeDifferences,
  xavierUniform,
} from './shapes.ts';
export { withoutGradient } from './tensors.ts';
export { type LentResult, tapBelow, withBlock } from './view.ts';
export { ownTensor, shapesOf } from './weights.ts';
