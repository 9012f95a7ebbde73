/** The small weights that the package ships, with a manifest that says how each was made. */
import { mkdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { writeAtomic } from '../../io/index.ts';
import { packageRoot } from '../../io/internal.ts';
import { artefactPath, hasArtefact, NETWORKS, type NetworkName, sha256 } from './artefacts.ts';
import type { Recipe } from './recipe.ts';

/** One shipped file. */
export interface ManifestEntry {
  file: string;
  sha256: string;
}

/** How the shipped weights were made. */
export interface Manifest {
  command: string;
  seed: number;
  /** Commit of the code that trained them. */
  commit: string;
  engine: string;
  licence: string;
  origin: string;
  recipe: Recipe;
  files: Partial<Record<NetworkName, ManifestEntry>>;
}

const MANIFEST = 'manifest.json';

/** The folder of the weights that come with this package. */
export function shippedFolder(): string {
  return join(packageRoot(), 'data', 'study');
}

/** Reads the manifest of a folder of weights. Throws with what to do when it is missing or no JSON. */
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
  return checkManifest(path, text);
}

function checkManifest(path: string, text: string): Manifest {
  let manifest: Partial<Manifest> | null;
  try {
    manifest = JSON.parse(text) as Manifest | null;
  } catch (error) {
    throw new Error(`${path} is not JSON (${(error as Error).message}): restore it from version control`);
  }
  const missing = (['files', 'recipe', 'seed'] as const).filter((key) => manifest?.[key] === undefined);
  if (missing.length === 0) return manifest as Manifest;
  throw new Error(`${path} lacks ${missing.join(', ')}: it is no manifest of weights; restore it from version control`);
}

/** Checks each file of a manifest against its checksum. Throws naming the file that differs. */
export function verifyWeights(folder: string, { files }: Manifest): void {
  const unlisted = NETWORKS.filter((name) => !files[name]);
  if (unlisted.length > 0) {
    throw new Error(`the manifest of ${folder} does not list ${unlisted.join(', ')}: restore it from version control`);
  }
  for (const [name, entry] of Object.entries(files)) {
    if (!hasArtefact(folder, name as NetworkName))
      throw new Error(`${join(folder, entry.file)} is missing: restore it from version control`);
    const found = sha256(join(folder, entry.file));
    if (found === entry.sha256) continue;
    throw new Error(
      `${join(folder, entry.file)} has sha256 ${found}, the manifest says ${entry.sha256}: it is damaged or was replaced`,
    );
  }
}

/** Copies finished weights into the shipped folder and writes their manifest last. */
export async function shipWeights(from: string, to: string, about: Omit<Manifest, 'files'>): Promise<Manifest> {
  await mkdir(to, { recursive: true });
  const files: Manifest['files'] = {};
  for (const name of NETWORKS) {
    if (!hasArtefact(from, name)) continue;
    await writeAtomic(artefactPath(to, name), await readFile(artefactPath(from, name)));
    files[name] = { file: `${name}.safetensors`, sha256: sha256(artefactPath(to, name)) };
  }
  const manifest = { ...about, files };
  await writeAtomic(join(to, MANIFEST), `${JSON.stringify(manifest, null, 2)}\n`);
  return manifest;
}
