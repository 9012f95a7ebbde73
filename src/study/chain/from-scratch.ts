/** Everything from nothing: trains all networks, compares them, and writes the weights that the package ships. */
import { join } from 'node:path';
import { report } from '../../engine/index.ts';
import { writeAtomic } from '../../io/index.ts';
import { prepareFolder } from '../../io/internal.ts';
import { trainingCurves } from '../../train/index.ts';
import { NETWORKS, VARIANTS, type VariantName } from '../networks/artefacts.ts';
import type { Recipe } from '../networks/recipe.ts';
import { type Manifest, shipWeights } from '../networks/shipped.ts';
import { writePublished } from '../results/published.ts';
import { type ScratchResults, toJson } from '../results/results.ts';
import { compareAll } from '../results/scratch-results.ts';
import { Chain, runChain } from './chain.ts';
import { type Progress, weightsFolder } from './study-run.ts';

/** Where a run from scratch works, and what its weights are shipped with. */
export interface FromScratchOptions {
  recipe: Recipe;
  /** Run folder: continues where an earlier run stopped. */
  folder: string;
  /** Gets the finished weights and their manifest. */
  shipTo: string;
  version: string;
  about: Pick<Manifest, 'command' | 'commit'>;
  onProgress?: (progress: Progress) => void;
  signal?: AbortSignal;
}

/**
 * Runs the chain and the variants of frame supervision, compares them, writes `results.json` into the folder and ships
 * the weights. Finished parts are not done again.
 */
export async function runFromScratch(options: FromScratchOptions): Promise<ScratchResults> {
  const { recipe, folder, shipTo, about } = options;
  await prepareFolder(folder);
  await prepareFolder(shipTo);
  await trainAll(options);
  const results = await compareAll(options);
  await writeAtomic(join(folder, 'results.json'), toJson(results));
  const { name, device, threads } = report();
  await shipWeights(weightsFolder(options), shipTo, {
    ...about,
    seed: recipe.seed,
    engine: `${name}, ${device}, ${threads} threads`,
    licence: 'Apache-2.0',
    origin: 'trained on moving digits drawn from MNIST (Y. LeCun, C. Cortes, C. J. C. Burges), CC BY-SA 3.0',
    recipe,
  });
  await writePublished(shipTo, { results, curves: await trainingCurves(folder, stageFolders(recipe)) });
  return results;
}

function stageFolders({ vae }: Recipe): string[] {
  const [, ...rest] = NETWORKS;
  const others = rest.map((name) => (name === 'distilled' ? 'distil' : name));
  return [...vae.phases.map((_, i) => `vae-${i + 1}`), ...others, ...Object.keys(VARIANTS)];
}

async function trainAll({ recipe, folder, signal, onProgress }: FromScratchOptions): Promise<void> {
  const place = { recipe, folder, ...(signal && { signal }) };
  for await (const progress of runChain(place)) onProgress?.(progress);
  const chain = new Chain(place);
  for (const [name, frames] of Object.entries(VARIANTS)) {
    for await (const progress of chain.reward(name as VariantName, frames)) onProgress?.(progress);
  }
}
