export { amt, amtMidpoint, amtStride } from './forward.ts';
export { type AmtConfig, amtPresets, amtShapes } from './weights.ts';
