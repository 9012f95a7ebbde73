/** The weights that the package ships, with a manifest that says how each was made. */
import { mkdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { writeAtomic } from '../../io/index.ts';
import { packageRoot } from '../../io/internal.ts';
import type { Recipe, World } from '../../world/index.ts';
import { recipeFrom, worldOf } from '../../world/internal.ts';
import { hasNetwork, networkNames, networkPath, sha256 } from './files.ts';

/** One shipped file. */
export interface ManifestEntry {
  file: string;
  sha256: string;
}

/** How shipped weights were made. */
export interface Manifest {
  command: string;
  seed: number;
  /** Commit of the code that trained them. */
  commit: string;
  engine: string;
  licence: string;
  origin: string;
  recipe: Recipe;
  /** By name of the network. */
  files: Readonly<Record<string, ManifestEntry>>;
}

const MANIFEST = 'manifest.json';

/** The folder of the weights that come with this package. */
export function shippedFolder(): string {
  return join(packageRoot(), 'data', 'study');
}

/**
 * Reads the manifest of a folder of weights, of this version or of 0.1.
 *
 * @throws Error with what to do when it is missing or none.
 */
export async function readManifest(folder: string): Promise<Manifest> {
  const path = join(folder, MANIFEST);
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch {
    throw new Error(
      `${path} is missing: train the weights with "npm run demo -- --from-scratch", or install the package anew`,
    );
  }
  const manifest = checkManifest(path, text);
  return { ...manifest, recipe: recipeFrom(manifest.recipe) };
}

function checkManifest(path: string, text: string): Manifest {
  let manifest: Partial<Manifest> | null;
  try {
    manifest = JSON.parse(text) as Manifest | null;
  } catch (error) {
    throw new Error(`${path} is not JSON (${(error as Error).message}): restore it from version control`);
  }
  const { files, recipe, seed } = manifest ?? {};
  const isThere = { files: isObject(files), recipe: isRecipe(recipe), seed: Number.isInteger(seed) };
  const missing = Object.entries(isThere).flatMap(([key, there]) => (there ? [] : [key]));
  if (missing.length === 0) return manifest as Manifest;
  throw new Error(`${path} lacks ${missing.join(', ')}: it is no manifest of weights; restore it from version control`);
}

/** A recipe as this version writes it, with its world, or as 0.1 did. */
function isRecipe(value: unknown): boolean {
  return isObject(value) && (isObject(value['world']) || isObject(value['vae']));
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/**
 * Checks each file of a manifest against its checksum.
 *
 * @throws Error naming the file that is missing or differs.
 */
export function verifyWeights(folder: string, { files, recipe }: Manifest, world: World = worldOf(recipe.world)): void {
  const unlisted = networkNames(world).filter((name) => !files[name]);
  if (unlisted.length > 0) {
    throw new Error(`the manifest of ${folder} does not list ${unlisted.join(', ')}: restore it from version control`);
  }
  for (const [name, entry] of Object.entries(files)) {
    if (!hasNetwork(folder, name))
      throw new Error(`${join(folder, entry.file)} is missing: restore it from version control`);
    const found = sha256(join(folder, entry.file));
    if (found === entry.sha256) continue;
    throw new Error(
      `${join(folder, entry.file)} has sha256 ${found}, the manifest says ${entry.sha256}: it is damaged or was replaced`,
    );
  }
}

/** Copies finished weights of a world into a folder and writes their manifest last. */
export async function shipWeights(
  from: string,
  to: string,
  { world, ...about }: Omit<Manifest, 'files' | 'seed' | 'origin'> & { world: World },
): Promise<Manifest> {
  await mkdir(to, { recursive: true });
  const files: Record<string, ManifestEntry> = {};
  for (const name of networkNames(world)) {
    if (!hasNetwork(from, name)) continue;
    await writeAtomic(networkPath(to, name), await readFile(networkPath(from, name)));
    files[name] = { file: `${name}.safetensors`, sha256: sha256(networkPath(to, name)) };
  }
  const { command, commit, engine, licence, recipe } = about;
  const { seed } = recipe;
  const manifest: Manifest = { command, commit, seed, engine, licence, origin: world.origin, recipe, files };
  await writeAtomic(join(to, MANIFEST), `${JSON.stringify(manifest, null, 2)}\n`);
  return manifest;
}
