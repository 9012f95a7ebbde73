export * from './sampling.ts';
export * from './store.ts';
