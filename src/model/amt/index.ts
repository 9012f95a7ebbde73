export { type AmtConfig, amtPresets } from './config.ts';
export { amtMidpoint, amtStride } from './forward.ts';
export { amtShapes, loadAmt } from './weights.ts';
