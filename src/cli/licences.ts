/** `reward-forcing licences`: every package that runs with this one, and its licence. */
import { existsSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { packageRoot } from '../io/internal.ts';

interface Manifest {
  readonly name: string;
  readonly version: string;
  readonly license?: string | { readonly type: string };
  readonly dependencies?: Readonly<Record<string, string>>;
  readonly optionalDependencies?: Readonly<Record<string, string>>;
}

/**
 * Packages of which this one carries parts: packing puts them into `dist/node_modules`, so that they are not installed
 * with what they bring.
 */
export const carried = [
  '@tensorflow/tfjs',
  '@tensorflow/tfjs-core',
  '@tensorflow/tfjs-layers',
  '@tensorflow/tfjs-converter',
  '@tensorflow/tfjs-data',
  '@tensorflow/tfjs-backend-cpu',
  '@tensorflow/tfjs-backend-webgl',
  '@tensorflow/tfjs-node-gpu',
  '@webgpu/types',
  'long',
  'onnxruntime-node',
  'plotly.js',
  'seedrandom',
] as const;

/** One line a package: licence, name, version; by licence, then by name. */
export function licences(): string {
  const lines = [...packagesUnder(packageRoot())].map(
    ({ name, version, license }) =>
      [typeof license === 'object' ? license.type : (license ?? 'not named'), name, version] as const,
  );
  const width = Math.max(...lines.map(([licence]) => licence.length));
  const text = lines.map(([licence, name, version]) => `${licence.padEnd(width)}  ${name} ${version}`);
  return [...new Set(text)].sort().join('\n');
}

/** The package in a folder, what it carries, and all that it brings. */
function* packagesUnder(root: string): Generator<Manifest, void> {
  const own = manifestIn(root)!;
  const dist = join(root, 'dist');
  yield own;
  yield* carried.flatMap((name) => manifestIn(folderOf(name, dist) ?? dist) ?? []);
  const seen = new Set<string>();
  const open = Object.keys(own.dependencies ?? {}).map((name) => ({ name, from: dist }));
  for (let next = open.pop(); next !== undefined; next = open.pop()) {
    const folder = folderOf(next.name, next.from);
    if (folder === null || seen.has(folder)) continue; // what is for other platforms is not there
    seen.add(folder);
    const manifest = manifestIn(folder)!;
    yield manifest;
    const names = Object.keys({ ...manifest.dependencies, ...manifest.optionalDependencies });
    open.push(...names.map((name) => ({ name, from: folder })));
  }
}

/** Where Node finds a package from a folder, whatever it exports. */
function folderOf(name: string, from: string): string | null {
  const places = createRequire(join(from, 'any.js')).resolve.paths(name) ?? [];
  return places.map((place) => join(place, name)).find((folder) => manifestIn(folder) !== null) ?? null;
}

function manifestIn(folder: string): Manifest | null {
  const file = join(folder, 'package.json');
  return existsSync(file) ? (JSON.parse(readFileSync(file, 'utf8')) as Manifest) : null;
}
