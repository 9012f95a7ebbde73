/** What other layers need of rewards besides the public surface. */
export { type AestheticHeadConfig, aestheticScore } from './clip.ts';
export { meanAndStd } from './combine.ts';
export { sourceOf } from './contract.ts';
export { chooseFrames } from './frames.ts';
export { reflLoss } from './imagereward.ts';
