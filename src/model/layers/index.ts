export { affine, affineShapes, instanceNorm, joinHeads, quickGelu, selfAttention, splitHeads } from './layers.ts';
export { classToken, patchTokens, type VitSizes, vitBlocks, vitShapes, withClassToken } from './vit.ts';
