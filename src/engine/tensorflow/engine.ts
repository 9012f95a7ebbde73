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
import type { Engine } from '../engine.ts';
import { cpuCapabilities, ownVersions } from '../fallback.ts';
import { tf } from '../tf.ts';
import { Binding } from './binding.ts';
import { bindTensorflow } from './c-api.ts';
import { completeKernels, restoreUtilities } from './fixups.ts';
import { addonOf, findLibrary, findPublished, type Published } from './library.ts';

/** Options of the tensorflow engine; all are fixed by its first use in a process. */
export interface TensorflowOptions {
  /** Threads to compute on. @defaultValue what the machine offers */
  threads?: number;
  /** The folder that holds libtensorflow. @defaultValue found, see `findLibrary` */
  library?: string;
}

/** What the engine uses of a binding, its own or tfjs-node's addon. */
type AnyBinding = Pick<Binding, 'TF_Version' | 'isUsingGpuDevice'> & { readonly device?: string };

const require = createRequire(import.meta.url);
function openBinding(published: Published, options: TensorflowOptions): [AnyBinding, string] {
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

function placeOf(binding: AnyBinding): string {
  const place = binding.isUsingGpuDevice() ? 'gpu' : 'cpu';
  const name = binding.device?.split('device:').at(-1);
  return name === undefined ? place : `${place} (${process.platform} ${process.arch}, ${name})`;
}

/** Loads libtensorflow and registers the backend with its kernels. */
export function startTensorflow(options: TensorflowOptions): Engine {
  const published = findPublished();
  const [binding, source] = openBinding(published, options);
  restoreUtilities();
  const Backend = loadKernels(published);
  const backend = new Backend(binding, published.name);
  tf.registerBackend('tensorflow', () => backend);
  const fallbacks = completeKernels(backend);
  const threads = options.threads ?? availableParallelism();
  return {
    capabilities: { ...cpuCapabilities, device: binding.isUsingGpuDevice() ? 'gpu' : 'cpu', copiesUploads: true },
    settings: { threads, library: options.library ?? source },
    flush: () => undefined,
    profile: profileEager,
    compile: (fn) => compileEager('tensorflow', fn),
    report: () => ({
      name: 'tensorflow',
      device: placeOf(binding),
      threads,
      precision: 'float32',
      versions: { tensorflow: binding.TF_Version, [published.name]: published.version, ...ownVersions() },
      memoryBytes: tf.memory().numBytes,
      fallbacks: { ...fallbacks },
    }),
  };
}
