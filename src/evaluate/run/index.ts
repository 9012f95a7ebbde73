export * from './evaluate-videos.ts';
export type { VideoResult } from './journal.ts';
export * from './measures.ts';
export * from './official.ts';
export * from './summary.ts';
export * from './videos.ts';
export * from './weight-free.ts';
