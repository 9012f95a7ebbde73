export * from './bootstrap.ts';
export * from './compare.ts';
