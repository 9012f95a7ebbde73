import { capabilities } from '../engine/index.ts';
import { tf } from '../engine/tf.ts';
import { type HostTensor, hostTensor, toFloat32 } from '../io/index.ts';
import { checkShapes, type Shapes } from './shapes.ts';
import { type WeightSource, Weights, type WeightsOptions } from './weights.ts';

/** Tensors of a checkpoint with their names, at once or one after the other (`file.entries()`). */
export type CheckpointEntries =
  | Iterable<readonly [string, WeightSource]>
  | AsyncIterable<readonly [string, WeightSource]>;

/**
 * Weights from a checkpoint, each entry renamed to its official name (null drops it), all of them checked.
 *
 * @throws Error listing the missing, surplus and misshapen weights by their official names.
 */
export async function loadChecked(
  shapes: Shapes,
  entries: CheckpointEntries,
  rename: (name: string) => string | null,
  options: WeightsOptions = {},
): Promise<Weights> {
  const weights = await Weights.stream(renamed(entries, rename), options);
  try {
    checkShapes(weights.shapes(), shapes, 'the tensors of the checkpoint');
  } catch (error) {
    weights.dispose();
    throw error;
  }
  return weights;
}

/** What `load` makes of a file; what goes wrong with it is told with its path. */
export async function fromFile<T>(path: string, load: (path: string) => Promise<T>): Promise<T> {
  try {
    return await load(path);
  } catch (error) {
    const { message } = error as Error;
    throw message.includes(path) ? error : new Error(`${path}: ${message}`, { cause: error });
  }
}

async function* renamed(
  entries: CheckpointEntries,
  rename: (name: string) => string | null,
): AsyncGenerator<[string, WeightSource]> {
  const widen = widener();
  for await (const [name, source] of entries) {
    const official = rename(name);
    if (official !== null) yield [official, widen(source)];
  }
}

/**
 * Whether the engine copies the arrays that tensors are made from, so that one array serves all: touching new memory
 * takes longer than reading a file. TensorFlow.js's own interpreter keeps them.
 */
export function copiesUploads(): boolean {
  return capabilities().copiesUploads;
}

const narrow: ReadonlySet<HostTensor['dtype']> = new Set(['bfloat16', 'float16']);

/** Widens half precisions, each into the memory of the one before where the engine copies it anyway. */
export function widener(): <Source extends WeightSource>(source: Source) => Source | HostTensor {
  if (!copiesUploads()) return (source) => source;
  let shared = new Float32Array();
  return (source) => {
    if (source instanceof tf.Tensor || !narrow.has(source.dtype)) return source;
    if (shared.length < source.data.length) shared = new Float32Array(source.data.length);
    return hostTensor('float32', source.shape, toFloat32(source, shared));
  };
}
