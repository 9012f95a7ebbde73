export { instanceNorm } from './instance-norm.ts';
export { quickGelu } from './quick-gelu.ts';
