export {
  affine,
  affineShapes,
  joinHeads,
  type ModuleTap,
  selfAttention,
  splitHeads,
  type VitSizes,
  vitBlocks,
  vitShapes,
} from './block.ts';
export { classToken, patchTokens, withClassToken } from './patches.ts';
