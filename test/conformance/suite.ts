/**
 * The test suite that TensorFlow.js publishes with its core (`dist/tests.js` in the npm package), made runnable:
 * bundled from the published files, declared in jasmine, executed spec by spec.
 */
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build, type Plugin } from 'esbuild';

/** How one spec ended. */
export interface SpecResult {
  readonly fullName: string;
  readonly status: 'passed' | 'failed' | 'pending' | 'excluded' | string;
  readonly failedExpectations: readonly { readonly message: string }[];
}

interface Reporter {
  specDone?(result: SpecResult): void;
  suiteDone?(result: SpecResult): void;
}

interface JasmineEnvironment {
  configure(options: { random?: boolean; specFilter?: (spec: { getFullName(): string }) => boolean }): void;
  addReporter(reporter: Reporter): void;
  clearReporters(): void;
  execute(): Promise<unknown>;
}

const require = createRequire(import.meta.url);
const root = fileURLToPath(new URL('../..', import.meta.url));

/** One copy of TensorFlow.js in the bundle: the published ES modules. */
const publishedModules: Plugin = {
  name: 'published-modules',
  setup: (builder) => {
    builder.onResolve({ filter: /^@tensorflow\/tfjs-[a-z-]+$/ }, ({ path }) => ({
      path: join(dirname(require.resolve(`${path}/package.json`)), 'dist/index.js'),
    }));
  },
};

async function bundle(): Promise<string> {
  const outfile = join(root, 'node_modules/.cache/reward-forcing/conformance.cjs');
  await build({
    entryPoints: [fileURLToPath(new URL('suite/main.mjs', import.meta.url))],
    outfile,
    bundle: true,
    platform: 'node',
    target: 'node20',
    mainFields: ['module', 'main'],
    external: ['jasmine-core'],
    plugins: [publishedModules],
    // the package calls its files free of side effects, which would drop every test
    ignoreAnnotations: true,
    logLevel: 'error',
  });
  return outfile;
}

/** The suite, declared and ready to run on a backend. */
export interface Suite {
  /** Runs the specs whose full name matches; `onSpec` hears of each that ran, and of suites whose set-up failed. */
  execute(filter: RegExp | null, onSpec: (result: SpecResult) => void): Promise<void>;
}

/** Bundles and declares the suite for a TensorFlow.js backend, which may be registered before or after. */
export async function declareSuite(backendName: string): Promise<Suite> {
  const file = await bundle();
  const jasmine = (require('jasmine-core') as { boot(): { getEnv(): JasmineEnvironment } }).boot();
  Object.assign(globalThis, { conformanceBackend: backendName });
  require(file);
  const environment = jasmine.getEnv();
  return {
    execute: async (filter, onSpec) => {
      environment.configure({ random: false, specFilter: (spec) => filter?.test(spec.getFullName()) ?? true });
      environment.clearReporters();
      environment.addReporter({
        specDone: onSpec,
        suiteDone: (result) => {
          if (result.failedExpectations.length > 0) onSpec({ ...result, status: 'failed' });
        },
      });
      await environment.execute();
    },
  };
}
