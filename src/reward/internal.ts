/** What other layers need of rewards besides the public surface. */
export { meanAndStd } from './combine.ts';
export { sourceOf } from './contract.ts';
