export { type FeatureDistance, type FeatureExtractor, featureDistance, principalComponents } from './features.ts';
export { frechetDistance, kernelDistance, type Moments, moments } from './frechet.ts';
