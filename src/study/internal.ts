/** What the command line and tests use of the study, beside what users meet. */
export { Chain, runFromScratch } from './chain/chain.ts';
export { networkNames } from './networks/files.ts';
export { readManifest, verifyWeights } from './networks/manifest.ts';
export { differenceId, summarise } from './results/outcomes.ts';
