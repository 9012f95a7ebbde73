/** The worlds that come with the package, by name. */
import { type DigitOptions, digitWorld } from './digits/index.ts';
import { type Recipe, recipe, smokeRecipe } from './recipe.ts';
import { type SpriteOptions, spriteWorld } from './sprites/index.ts';
import type { World, WorldIdentity } from './world.ts';

const makers: Readonly<Record<string, (options: WorldIdentity['options']) => World>> = {
  digits: (options) => digitWorld(options as DigitOptions),
  sprites: (options) => spriteWorld(options as SpriteOptions),
};

/** Recipes of the chain that makes the shipped weights, by the names that the command line takes. */
export const shippedRecipes: Readonly<Record<'study' | 'smoke', () => Recipe>> = {
  study: () => recipe(digitWorld()),
  smoke: () => smokeRecipe(digitWorld({ exemplars: 2 })),
};

/**
 * The world of a recipe.
 *
 * @throws Error if no world of that name comes with the package.
 */
export function worldOf({ id, options }: WorldIdentity): World {
  const make = Object.hasOwn(makers, id) ? makers[id] : undefined;
  if (make) return make(options);
  throw new Error(
    `world: "${id}" does not come with the package (${Object.keys(makers).join(', ')} does); give the world itself`,
  );
}

/** A recipe as version 0.1 wrote it: there was one world, and its options stood in several places. */
interface Recipe01 extends Omit<Recipe, 'world' | 'vae'> {
  exemplars: number;
  vae: Omit<Recipe['vae'], 'pixelWeight'> & { exemplars: number; window: number; litWeight: number };
}

/** A recipe from JSON of this version or of 0.1. */
export function recipeFrom(json: unknown): Recipe {
  const given = json as Recipe | Recipe01;
  if ('world' in given) return given;
  const { exemplars, vae, ...rest } = given;
  const { exemplars: autoencoderExemplars, window, litWeight, ...others } = vae;
  return {
    ...rest,
    world: { id: 'digits', options: { exemplars, autoencoderExemplars, window } },
    vae: { ...others, pixelWeight: { above: -0.5, weight: litWeight } },
  };
}
