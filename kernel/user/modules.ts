/**
 * Modules for cells. Packages come from the notebook's folder or from this package. Local files are loaded here: a
 * maintained transpiler (esbuild) makes CommonJS of TypeScript, JSX and ECMAScript modules, so that they can be loaded
 * again. A file whose content has changed is loaded anew, and so is every file that imports it, directly or not; all
 * others keep their state.
 */
import { createHash } from 'node:crypto';
import { existsSync, readFileSync, statSync } from 'node:fs';
import Module, { createRequire } from 'node:module';
import { dirname, extname, isAbsolute, join, resolve } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { compileFunction, constants } from 'node:vm';
import type { Loader, TransformOptions } from 'esbuild';
import type { LocalFile } from '../bridge.ts';

type ResolveFilename = (request: string, parent: unknown, isMain: boolean, options?: object) => string;
type Require = (id: string) => unknown;

/**
 * Bare specifiers are looked up from the notebook's folder first, as Node does, then from this package; the package's
 * own name resolves to itself. Module hooks that could do this without the underscore need Node 22.
 */
export function installModuleFallback(packageName: string, packageEntry: string): void {
  const internals = Module as unknown as { _resolveFilename: ResolveFilename };
  const original = internals._resolveFilename;
  const here = Module.createRequire(packageEntry);
  internals._resolveFilename = function (this: unknown, request, parent, isMain, options) {
    try {
      return original.call(this, request, parent, isMain, options);
    } catch (error) {
      if (request === packageName) return packageEntry;
      const isBare = !/^[./]|^[A-Za-z]:/.test(request);
      if ((error as NodeJS.ErrnoException).code !== 'MODULE_NOT_FOUND' || !isBare) throw error;
      const paths = here.resolve.paths(request);
      if (!paths) throw error;
      return original.call(this, request, parent, isMain, { paths });
    }
  };
}

/** What cells know of their place: names of a module in the notebook's folder, and `import.meta` (see server/guard.ts). */
export function definePlace(): void {
  const dirname = process.cwd();
  const filename = join(dirname, 'notebook.ts');
  const meta = { dirname, filename, url: pathToFileURL(filename).href };
  for (const [name, value] of Object.entries({ __meta__: meta, __dirname: dirname, __filename: filename })) {
    Object.defineProperty(globalThis, name, { value, configurable: true, writable: true });
  }
}

/** What the files of these endings are for esbuild. */
const LOADERS: Readonly<Record<string, Loader>> = {
  '.ts': 'ts',
  '.mts': 'ts',
  '.cts': 'ts',
  '.tsx': 'tsx',
  '.js': 'jsx',
  '.mjs': 'jsx',
  '.cjs': 'jsx',
  '.jsx': 'jsx',
};
const ENDINGS = [...Object.keys(LOADERS), '.json'];
/** What an import of JavaScript may mean in TypeScript, which names the file that it becomes. */
const WRITTEN_AS: Readonly<Record<string, readonly string[]>> = {
  '.js': ['.ts', '.tsx'],
  '.jsx': ['.tsx'],
  '.mjs': ['.mts'],
  '.cjs': ['.cts'],
};
const PARAMETERS = ['exports', 'require', 'module', '__filename', '__dirname', '__load', '__meta'];
const TRANSFORM: TransformOptions = {
  format: 'cjs',
  platform: 'node',
  target: 'node20',
  sourcemap: 'external',
  logLevel: 'silent',
  define: { 'import.meta': '__meta' },
  tsconfigRaw: { compilerOptions: { experimentalDecorators: true, jsx: 'react' } },
};

/** A local file that has been loaded, or is being loaded. */
interface Loaded {
  module: NodeModule;
  text: string;
  imports: Set<string>;
}

export class LocalModules {
  readonly #loaded = new Map<string, Loaded>();
  /** Texts as the newest cell was checked with. */
  readonly #given = new Map<string, string>();
  readonly #onCompiled: (path: string, map: string) => void;
  readonly #folder: string;
  readonly #package: string;
  #isFresh = false;

  /**
   * For cells in `folder`. `onCompiled` hears of each file that runs, with the map from its code to its text. What lies
   * in the folder of the package's own modules is a package, wherever it is.
   */
  constructor(folder: string, ownPackage: string, onCompiled: (path: string, map: string) => void) {
    this.#folder = folder;
    this.#package = ownPackage;
    this.#onCompiled = onCompiled;
  }

  /** Before a cell: the files that it imports, as its types say. */
  begin(files: readonly LocalFile[]): void {
    this.#given.clear();
    for (const { path, text } of files) this.#given.set(path, text);
    this.#isFresh = false;
  }

  /** `require` of cells. */
  readonly require: Require = (id) => this.#require(id, this.#folder, join(this.#folder, 'notebook.ts'), null);

  /** `import(…)` of cells. */
  readonly load = (specifier: unknown): Promise<unknown> => this.#load(String(specifier), this.require);

  #require(id: string, folder: string, from: string, importer: Loaded | null): unknown {
    const path = this.#find(id, folder);
    if (path === null) return createRequire(from)(id.startsWith('file:') ? fileURLToPath(id) : id);
    importer?.imports.add(path);
    if (importer === null && !this.#isFresh) this.#forgetChanged();
    return (this.#loaded.get(path) ?? this.#run(path)).module.exports;
  }

  async #load(specifier: string, require: Require): Promise<unknown> {
    try {
      return namespaceOf(require(specifier));
    } catch (error) {
      const url = nativeUrl(error);
      if (url === null) throw error;
      return import(url);
    }
  }

  /** Forgets files whose text is another one by now, and all that import them. */
  #forgetChanged(): void {
    this.#isFresh = true;
    const gone = new Set(
      [...this.#loaded].filter(([path, { text }]) => this.#read(path) !== text).map(([path]) => path),
    );
    for (let before = -1; before !== gone.size; ) {
      before = gone.size;
      for (const [path, { imports }] of this.#loaded) if ([...imports].some((one) => gone.has(one))) gone.add(path);
    }
    for (const path of gone) this.#loaded.delete(path);
  }

  #find(id: string, folder: string): string | null {
    const path = findLocal(id, folder);
    return path?.startsWith(this.#package) ? null : path;
  }

  #read(path: string): string | null {
    return this.#given.get(path) ?? (existsSync(path) ? readFileSync(path, 'utf8') : null);
  }

  #run(path: string): Loaded {
    const module = new Module(path) as NodeModule;
    module.filename = path;
    module.paths = (Module as unknown as { _nodeModulePaths(from: string): string[] })._nodeModulePaths(dirname(path));
    const loaded: Loaded = { module, text: this.#read(path) ?? '', imports: new Set() };
    // Before it runs: a file that it imports may import it in turn.
    this.#loaded.set(path, loaded);
    try {
      if (extname(path) === '.json') module.exports = JSON.parse(loaded.text);
      else this.#evaluate(path, loaded);
      module.loaded = true;
      return loaded;
    } catch (error) {
      this.#loaded.delete(path);
      throw error;
    }
  }

  #evaluate(path: string, loaded: Loaded): void {
    const { module } = loaded;
    const { code, map } = compile(path, loaded.text);
    this.#onCompiled(path, map);
    const folder = dirname(path);
    const node = createRequire(path);
    const require = Object.assign((id: string) => this.#require(id, folder, path, loaded), {
      resolve: Object.assign((id: string) => this.#find(id, folder) ?? node.resolve(id), { paths: node.resolve.paths }),
      cache: node.cache,
      main: undefined,
      extensions: node.extensions,
    });
    const load = (specifier: unknown): Promise<unknown> => this.#load(String(specifier), require);
    const meta = { url: pathToFileURL(path).href, filename: path, dirname: folder, resolve: resolverOf(require) };
    const run = compileFunction(code, PARAMETERS, {
      filename: path,
      importModuleDynamically: constants.USE_MAIN_CONTEXT_DEFAULT_LOADER as never,
    }) as (...args: unknown[]) => void;
    Reflect.apply(run, module.exports, [module.exports, require, module, path, folder, load, meta]);
  }
}

/** A module that can only be imported as Node does it, because it awaits at its top level. */
class AwaitingModule extends Error {
  override name = 'ImportError';
  readonly url: string;

  constructor(path: string, text: string) {
    super(`${path} awaits at its top level: import it by "await import('…')", or put the await into a function`);
    const version = createHash('sha256').update(text).digest('hex').slice(0, 16);
    this.url = `${pathToFileURL(path).href}?v=${version}`;
  }
}

/** CommonJS of a local file, and the map back to its text. */
function compile(path: string, text: string): { code: string; map: string } {
  const { transformSync } = createRequire(import.meta.url)('esbuild') as typeof import('esbuild');
  const loader = LOADERS[extname(path)] ?? 'js';
  try {
    return transformSync(text, { ...TRANSFORM, loader, sourcefile: path });
  } catch (error) {
    if (/top-level await/i.test((error as Error).message)) throw new AwaitingModule(path, text);
    throw new SyntaxError((error as Error).message);
  }
}

/** Where Node's own import finds a module that cannot be required; null for every other error. */
function nativeUrl(error: unknown): string | null {
  if (error instanceof AwaitingModule && LOADERS[extname(new URL(error.url).pathname)] !== 'ts') return error.url;
  const { code, message = '' } = error as NodeJS.ErrnoException;
  if (code !== 'ERR_REQUIRE_ASYNC_MODULE') return null;
  return /file:\/\/\S+/.exec(message)?.[0] ?? null;
}

/** What `import(…)` gives for a module that was required, as TypeScript and Node have it. */
function namespaceOf(exports: unknown): unknown {
  if (typeof exports !== 'object' && typeof exports !== 'function') return { default: exports };
  if (exports === null) return { default: null };
  const isNamespace = (exports as { [Symbol.toStringTag]?: unknown })[Symbol.toStringTag] === 'Module';
  if (isNamespace || (exports as { __esModule?: unknown }).__esModule) return exports;
  return Object.assign(Object.create(null) as object, exports, { default: exports });
}

/** The local file that an import means; null where it is for Node to find: a package, or what is not there. */
function findLocal(id: string, folder: string): string | null {
  const named = id.startsWith('file:') ? fileURLToPath(id) : id;
  if (!/^\.{1,2}(?:[\\/]|$)/.test(named) && !isAbsolute(named)) return null;
  const path = resolve(folder, named);
  const found = fileAt(path) ?? folderAt(path);
  return found === null || /[\\/]node_modules[\\/]/.test(found) ? null : found;
}

function fileAt(path: string): string | null {
  const ending = extname(path);
  const written = (WRITTEN_AS[ending] ?? []).map((other) => path.slice(0, -ending.length) + other);
  const exact = ENDINGS.includes(ending) ? [path] : [];
  return [...written, ...exact, ...ENDINGS.map((other) => path + other)].find(isFile) ?? null;
}

function folderAt(path: string): string | null {
  const manifest = join(path, 'package.json');
  const { main } = isFile(manifest) ? (JSON.parse(readFileSync(manifest, 'utf8')) as { main?: string }) : {};
  const named = typeof main === 'string' ? fileAt(resolve(path, main)) : null;
  return named ?? fileAt(join(path, 'index'));
}

function isFile(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isFile() === true;
}

function resolverOf(require: { resolve(id: string): string }): (id: string) => string {
  return (id) => pathToFileURL(require.resolve(id)).href;
}
