/** Where long work of a study runs, and how it tells how far it is. */
import { join } from 'node:path';
import type { Recipe, World } from '../../world/index.ts';
import { worldOf } from '../../world/internal.ts';

/** Progress of long work. */
export interface Progress {
  /** What is being done, in a few words. */
  stage: string;
  done: number;
  total: number;
  /** Numbers of the last step, for stages that train. */
  values: Readonly<Record<string, number>>;
}

/** Long work that yields how far it is. */
export type Work<Result = void> = AsyncGenerator<Progress, Result, void>;

/** What a study is told about its run. */
export interface StudyOptions {
  readonly recipe: Recipe;
  /** The recipe's world, where it does not come with the package. */
  readonly world?: World;
  /** Holds a run folder per stage and `weights/`; an interrupted run goes on there. */
  readonly folder: string;
  readonly signal?: AbortSignal;
  readonly onProgress?: (progress: Progress) => void;
}

/** The same, with the world at hand. */
export type StudyPlace = StudyOptions & { readonly world: World };

/**
 * Finds the recipe's world.
 *
 * @throws Error if the world given is not the one that the recipe names.
 */
export function placeOf(options: StudyOptions): StudyPlace {
  const { recipe, world = worldOf(recipe.world) } = options;
  const [wanted, given] = [recipe.world, { id: world.id, options: world.options }].map((one) => JSON.stringify(one));
  if (wanted === given) return { ...options, world };
  throw new Error(`world: wanted the recipe's, ${wanted}, received ${given}; make the recipe with world.recipe(world)`);
}

/** The folder of the finished weights of a run. */
export function weightsFolder({ folder }: Pick<StudyOptions, 'folder'>): string {
  return join(folder, 'weights');
}
