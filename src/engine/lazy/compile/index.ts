export { compileFunction } from './compile.ts';
