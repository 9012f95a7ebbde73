export type { CheckpointEntries } from './load.ts';
export * from './text/index.ts';
export * as vae from './vae/index.ts';
export * from './wan/index.ts';
