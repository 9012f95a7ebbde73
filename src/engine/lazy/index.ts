export { startLazy } from './start.ts';
