/** The smoke recipe's chain, run into a folder. */
import { join } from 'node:path';
import { type Progress, runChain, shipWeights, weightsFolder } from '../../src/study/index.ts';
import type { Recipe } from '../../src/world/index.ts';
import { shippedRecipes, worldOf } from '../../src/world/internal.ts';

export const smokeRecipe: Recipe = shippedRecipes.smoke();

/** Runs the chain; `stopAt` aborts it after that stage's first step. Returns the stages that ran. */
export async function train(folder: string, stopAt?: string): Promise<string[]> {
  const controller = new AbortController();
  const stages: string[] = [];
  const heard = ({ stage }: Progress): void => {
    if (stages.at(-1) !== stage) stages.push(stage);
    if (stage === stopAt) controller.abort(new Error('stopped by the test'));
  };
  for await (const progress of runChain({ recipe: smokeRecipe, folder, signal: controller.signal })) heard(progress);
  return stages;
}

/** Weights of the smoke recipe with their manifest, as the package ships those of the study recipe. */
export async function shippedWeights(folder: string): Promise<string> {
  const run = join(folder, 'run');
  await train(run);
  const shipped = join(folder, 'shipped');
  await shipWeights(weightsFolder({ folder: run }), shipped, {
    command: 'test',
    commit: 'test',
    engine: 'onnx',
    licence: 'Apache-2.0',
    recipe: smokeRecipe,
    world: worldOf(smokeRecipe.world),
  });
  return shipped;
}
