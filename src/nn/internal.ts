/** What the layers above build networks with beside the public names. */
export {
  checkFinite,
  copiesUploads,
  fromFile,
  isFiniteTensor,
  type LoraDescription,
  loadChecked,
  loraOf,
  loraText,
  widener,
} from './load.ts';
export { checksumOf } from './net.ts';
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
