export { type LazyParts, startLazy } from './start.ts';
