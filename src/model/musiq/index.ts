export { type MusiqConfig, musiqPresets } from './config.ts';
export { musiqScore } from './forward.ts';
export { hashedPlaces } from './tokens.ts';
export { musiq, musiqShapes } from './weights.ts';
