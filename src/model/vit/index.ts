export { type ModuleTap, type VitSizes, vitBlocks, vitShapes } from './block.ts';
export { classToken, patchTokens, withClassToken } from './patches.ts';
