export { type AmtConfig, amtPresets } from './config.ts';
export { amtMidpoint, amtStride } from './forward.ts';
export { amt, amtShapes } from './weights.ts';
