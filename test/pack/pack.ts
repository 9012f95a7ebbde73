/**
 * Packs the package into a folder: `tsx test/pack/pack.ts [FOLDER]`, after the build. It is packed from a copy, whose
 * `dist/node_modules`, where Node and TypeScript find them, holds what the built files use of some other packages.
 *
 * These cannot be dependencies of whoever installs this one: `onnxruntime-node` and `@tensorflow/tfjs-node-gpu` have
 * install scripts that download what is not used here (a CUDA provider, a library of 2022) and fail the whole install
 * where they cannot, and `@tensorflow/tfjs` and its parts are 272 MB of bundles for browsers and source maps around 10.
 */
import { spawnSync } from 'node:child_process';
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, relative, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { carried } from '../../src/cli/licences.ts';

interface Part {
  /** Paths in the package, next to its main file and its licence. */
  readonly wanted: RegExp;
  /** A licence that the published package only names. */
  readonly licence?: string;
}

interface Manifest {
  readonly name: string;
  readonly version: string;
  readonly license: string;
  readonly homepage?: string;
  readonly repository?: unknown;
  readonly main?: string;
  readonly types?: string;
  readonly typings?: string;
}

const declarations = /^dist\/(?!.*_test\.d\.ts$).*\.d\.ts$/;
const mit = `MIT License

Copyright (c) Microsoft Corporation

Permission is hereby granted, free of charge, to any person obtaining a copy of this software and associated
documentation files (the "Software"), to deal in the Software without restriction, including without limitation the
rights to use, copy, modify, merge, publish, distribute, sublicense, and/or sell copies of the Software, and to permit
persons to whom the Software is furnished to do so, subject to the following conditions:

The above copyright notice and this permission notice shall be included in all copies or substantial portions of the
Software.

THE SOFTWARE IS PROVIDED "AS IS", WITHOUT WARRANTY OF ANY KIND, EXPRESS OR IMPLIED, INCLUDING BUT NOT LIMITED TO THE
WARRANTIES OF MERCHANTABILITY, FITNESS FOR A PARTICULAR PURPOSE AND NONINFRINGEMENT. IN NO EVENT SHALL THE AUTHORS OR
COPYRIGHT HOLDERS BE LIABLE FOR ANY CLAIM, DAMAGES OR OTHER LIABILITY, WHETHER IN AN ACTION OF CONTRACT, TORT OR
OTHERWISE, ARISING FROM, OUT OF OR IN CONNECTION WITH THE SOFTWARE OR THE USE OR OTHER DEALINGS IN THE SOFTWARE.
`;

const parts: Readonly<Record<(typeof carried)[number], Part>> = {
  // the libraries alone: they are called through their C interface, without the addon and the GPU's helpers
  'onnxruntime-node': { wanted: /^bin\/.*\/(libonnxruntime\.(so\.1|1\.dylib)|onnxruntime\.dll)$/, licence: mit },
  '@tensorflow/tfjs': { wanted: declarations },
  '@tensorflow/tfjs-core': { wanted: declarations },
  '@tensorflow/tfjs-layers': { wanted: declarations },
  '@tensorflow/tfjs-converter': { wanted: declarations },
  '@tensorflow/tfjs-data': { wanted: declarations },
  '@tensorflow/tfjs-backend-cpu': { wanted: declarations },
  '@tensorflow/tfjs-backend-webgl': { wanted: declarations },
  '@tensorflow/tfjs-node-gpu': { wanted: /^dist\/(?!.*_test\.js$).*\.js$/ },
  // the licence of what `test/pack/plotly.ts` bundles
  'plotly.js': { wanted: /^LICENSE$/ },
  // what those ask for
  '@webgpu/types': { wanted: /\.d\.ts$/ },
  seedrandom: { wanted: /^(index|seedrandom|lib\/\w+)\.js$/ },
  long: { wanted: /^(?!.*min)(src|dist|index).*\.js$/ },
};

const root = dirname(dirname(dirname(fileURLToPath(import.meta.url))));
const destination = resolve(process.argv[2] ?? '.');
const stage = mkdtempSync(join(tmpdir(), 'pack-'));
try {
  copyOwn();
  for (const name of carried) copyPart(name, parts[name]);
  const options = { cwd: stage, shell: process.platform === 'win32', stdio: 'inherit' as const };
  const { status } = spawnSync('npm', ['pack', '--loglevel=warn', '--pack-destination', destination], options);
  process.exitCode = status ?? 1;
} finally {
  rmSync(stage, { recursive: true, force: true });
}

/** What package.json lists, as it stands in the working tree, less what is left in `dist` of sources that are gone. */
function copyOwn(): void {
  const { files } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { files: string[] };
  for (const file of ['package.json', ...files]) {
    if (file.startsWith('!') || file === 'dist/node_modules') continue;
    if (!existsSync(join(root, file))) throw new Error(`${file} is missing: run "npm run build" before packing`);
    cpSync(join(root, file), join(stage, file), { recursive: true, filter: hasSource });
  }
}

function hasSource(path: string): boolean {
  const built = /^dist[\\/]((?:src|kernel)[\\/].*?)(?:\.d\.ts|\.js)(?:\.map)?$/.exec(relative(root, path));
  return built === null || existsSync(join(root, `${built[1]}.ts`));
}

function copyPart(name: string, { wanted, licence }: Part): void {
  const [from, to] = [join(root, 'node_modules', name), join(stage, 'dist', 'node_modules', name)];
  if (!existsSync(from)) throw new Error(`${name} is not installed: run "npm ci" before packing`);
  const manifest = JSON.parse(readFileSync(join(from, 'package.json'), 'utf8')) as Manifest;
  const main = join(manifest.main ?? 'index.js');
  const files = readdirSync(from, { recursive: true, encoding: 'utf8' })
    .map((path) => path.replaceAll('\\', '/'))
    .filter((path) => wanted.test(path) || path === main || /^(licen[cs]e|notice|readme)/i.test(path));
  if (!files.some((path) => wanted.test(path))) throw new Error(`${name} ${manifest.version} has no ${wanted}`);
  for (const path of files.filter((file) => statSync(join(from, file)).isFile())) {
    mkdirSync(dirname(join(to, path)), { recursive: true });
    cpSync(join(from, path), join(to, path), { dereference: true });
  }
  mkdirSync(to, { recursive: true });
  const { version, license, homepage, repository, types, typings } = manifest;
  const kept = { name, version, license, homepage, repository, main: manifest.main, types: types ?? typings };
  writeFileSync(join(to, 'package.json'), `${JSON.stringify(kept, null, 2)}\n`);
  if (licence !== undefined) writeFileSync(join(to, 'LICENSE'), licence);
}
