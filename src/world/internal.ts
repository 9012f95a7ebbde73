/** What the layers above, the command line and tests use of worlds, beside what users meet. */
export {
  drawPairs,
  preferenceConfig,
} from './preference/index.ts';
export { recipeFrom, shippedRecipes, worldOf } from './registry.ts';
export { encodeClips, trainingClips } from './sources.ts';
