export { hashedPlaces, musiq, musiqScore } from './forward.ts';
export { type MusiqConfig, type MusiqPreset, musiqPresets, musiqShapes } from './weights.ts';
