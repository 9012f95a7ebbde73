export {
  type BootstrapOptions,
  bootstrap,
  type Interval,
  mean,
  normalCdf,
  normalQuantile,
  percentile,
  promptMean,
  resample,
  type Scores,
} from './bootstrap.ts';
export { holm, type PairedComparison, pairedDifference, wilson } from './compare.ts';
