export {
  affine,
  affineShapes,
  instanceNorm,
  joinHeads,
  quickGelu,
  selfAttention,
  splitHeads,
  unitRows,
} from './layers.ts';
export { classToken, patchTokens, type VitSizes, vitBlocks, vitShapes, withClassToken } from './vit.ts';
