/** What other layers and the command line need of measures besides the public surface. */
export { frameScores } from './diagnostics/reward-signals.ts';
export { lucasKanade } from './flow/lucas-kanade.ts';
export { luma } from './flow/plane.ts';
export { readVBenchSuite, underSuite } from './run/videos.ts';
export { shrinking } from './run/weight-free.ts';
export { wilson } from './statistics.ts';
export { DIMENSIONS } from './vbench/dimensions.ts';
export { clipDynamicDegree, flicker } from './vbench/rules.ts';
