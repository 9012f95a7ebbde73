export { hashedPlaces, musiq, musiqScore } from './forward.ts';
export { type MusiqConfig, musiqPresets, musiqShapes } from './weights.ts';
