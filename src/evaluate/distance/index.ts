export { frechetDistance, kernelDistance, type Moments, moments } from './frechet.ts';
