export * from './compare.ts';
export * from './lucas-kanade.ts';
export * from './plane.ts';
