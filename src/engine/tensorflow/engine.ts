/**
 * The tensorflow engine: the published JavaScript of @tensorflow/tfjs-node-gpu (or tfjs-node), unmodified, on its own
 * native addon if its install script has fetched one, else on the libtensorflow of a pip wheel (library.ts) through
 * binding.ts. It computes at once, on a GPU when TensorFlow sees one.
 */
import { createRequire } from 'node:module';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import tfjs, { type KernelBackend } from '@tensorflow/tfjs';
import { compileEager, profileEager } from '../eager.ts';
import type { Engine, EngineOptions, EngineReport } from '../engine.ts';
import { tf } from '../tf.ts';
import { Binding } from './binding.ts';
import { bindTensorflow } from './c-api.ts';
import { addonOf, findPublished, type Published } from './find.ts';
import { completeKernels, restoreUtilities } from './fixups.ts';
import { findLibrary } from './library.ts';

const backendName = 'tensorflow';

/** What the engine uses of a binding, its own or tfjs-node's addon. */
type AnyBinding = Pick<Binding, 'TF_Version' | 'isUsingGpuDevice'> & { readonly device?: string };

interface Started {
  readonly published: Published;
  readonly binding: AnyBinding;
  readonly source: string;
  readonly options: EngineOptions;
  readonly fallbacks: Record<string, number>;
}

const require = createRequire(import.meta.url);
let started: Started | undefined;

function openBinding(published: Published, options: EngineOptions): [AnyBinding, string] {
  const addon = options.library === undefined ? addonOf(published) : null;
  if (addon !== null) return [require(addon) as AnyBinding, `the addon of ${published.name}`];
  // its log would go to the terminal of whoever runs a notebook; errors still reach us as statuses
  process.env['TF_CPP_MIN_LOG_LEVEL'] ??= '2';
  const library = findLibrary(options.library);
  const { threads } = options;
  return [new Binding(bindTensorflow(library), threads === undefined ? {} : { threads }), library.source];
}

/** Loads the package's kernels and its backend class without its entry, which hunts for the addon. */
function loadKernels({ folder }: Published): new (binding: AnyBinding, name: string) => KernelBackend {
  const fromPackage = createRequire(join(folder, 'package.json'));
  const core = fromPackage.resolve('@tensorflow/tfjs-core');
  const own = require.cache[core];
  // one kernel file asks for tfjs-core: a second copy would announce itself, so it gets the one in use
  require.cache[core] ??= loadedModule(core, tfjs);
  try {
    fromPackage('./dist/register_all_kernels.js');
    return (fromPackage('./dist/nodejs_kernel_backend.js') as { NodeJSKernelBackend: never }).NodeJSKernelBackend;
  } finally {
    if (!own) delete require.cache[core];
  }
}

function loadedModule(id: string, exports: unknown): NodeJS.Module {
  return { id, filename: id, loaded: true, children: [], paths: [], exports } as unknown as NodeJS.Module;
}

function start(options: EngineOptions): Started {
  const published = findPublished();
  const [binding, source] = openBinding(published, options);
  restoreUtilities();
  const Backend = loadKernels(published);
  tf.registerBackend(backendName, () => new Backend(binding, published.name));
  const fallbacks: Record<string, number> = {};
  completeKernels(fallbacks);
  return { published, binding, source, options, fallbacks };
}

/** Threads and library are those of the first use. */
function checkUnchanged({ options: first, source }: Started, { threads, library }: EngineOptions): void {
  const isSame = (threads ?? first.threads) === first.threads && (library ?? first.library) === first.library;
  if (isSame) return;
  throw new Error(
    `engine.use('tensorflow'): this process uses ${source} on ${first.threads ?? 'all'} threads since the first use; ` +
      'start a new process to change that',
  );
}

function deviceOf({ binding }: Started): string {
  const place = binding.isUsingGpuDevice() ? 'gpu' : 'cpu';
  const name = binding.device?.split('device:').at(-1);
  return name === undefined ? place : `${place} (${process.platform} ${process.arch}, ${name})`;
}

function reportOf(now: Started): EngineReport {
  const { published, binding, options, fallbacks } = now;
  return {
    name: 'tensorflow',
    device: deviceOf(now),
    threads: options.threads ?? availableParallelism(),
    precision: 'float32',
    versions: {
      tensorflow: binding.TF_Version,
      [published.name]: published.version,
      tfjs: tf.version_core,
      node: process.version,
    },
    memoryBytes: tf.memory().numBytes,
    compiles: 0,
    compileMs: 0,
    sessions: 0,
    runs: 0,
    pending: 0,
    fallbacks: { ...fallbacks },
  };
}

/** Loads libtensorflow, registers the kernels, and makes the backend current; only the first call does the work. */
export async function startTensorflow(options: EngineOptions): Promise<Engine> {
  if (started) checkUnchanged(started, options);
  started ??= start(options);
  const now = started;
  await tf.setBackend(backendName);
  return {
    name: 'tensorflow',
    flush: () => undefined,
    report: () => reportOf(now),
    profile: profileEager,
    compile: (fn) => compileEager('tensorflow', fn),
  };
}
