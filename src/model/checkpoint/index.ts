export { type Checkpoint, type CheckpointOptions, openCheckpoint } from './checkpoint.ts';
export type { WeightFile } from './scaled-fp8.ts';
