export { type Checkpoint, openCheckpoint } from './checkpoint.ts';
