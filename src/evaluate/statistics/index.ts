export {
  type BootstrapOptions,
  bootstrap,
  type Interval,
  percentile,
  promptMean,
  resample,
  type Scores,
} from './bootstrap.ts';
export { holm, type PairedComparison, pairedDifference, wilson } from './compare.ts';
export { normalCdf, normalQuantile } from './normal.ts';
