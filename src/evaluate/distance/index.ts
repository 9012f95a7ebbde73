export * from './features.ts';
export * from './frechet.ts';
