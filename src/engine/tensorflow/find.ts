/** What the tensorflow engine needs, found and not loaded: the JavaScript of tfjs-node, and a library for it. */
import { existsSync, readdirSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { findLibrary } from './library.ts';

const packages = ['@tensorflow/tfjs-node-gpu', '@tensorflow/tfjs-node'] as const;

/** A package of tfjs-node that is installed. */
export interface Published {
  readonly name: string;
  readonly version: string;
  readonly folder: string;
}

/** The installed package. Throws with the command that installs it. */
export function findPublished(): Published {
  const require = createRequire(import.meta.url);
  for (const name of packages) {
    try {
      const file = require.resolve(`${name}/package.json`);
      const { version } = require(file) as { version: string };
      return { name, version, folder: dirname(file) };
    } catch {
      // the other package may be there
    }
  }
  throw new Error(`engine tensorflow: the package ${packages[0]} is missing. Run: npm install ${packages[0]}@4.22`);
}

/** The addon that the package's install script fetches or builds, or null. */
export function addonOf({ folder }: Published): string | null {
  const lib = join(folder, 'lib');
  if (!existsSync(lib)) return null;
  const files = readdirSync(lib).map((version) => join(lib, version, 'tfjs_binding.node'));
  return files.find((file) => existsSync(file)) ?? null;
}

/** Throws with what is missing and the command that installs it. */
export function findTensorflow(): void {
  if (addonOf(findPublished()) === null) findLibrary();
}
