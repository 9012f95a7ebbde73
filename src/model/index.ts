export * as blip from './blip/index.ts';
export * as clip from './clip/index.ts';
export * as dino from './dino/index.ts';
export type { CheckpointEntries } from './load.ts';
export * as images from './preprocess/index.ts';
export * as raft from './raft/index.ts';
export * from './text/index.ts';
export * as vae from './vae/index.ts';
export * from './wan/index.ts';
