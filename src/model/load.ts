import { checkShapes, type Shapes, type WeightSource, Weights, type WeightsOptions } from '../nn/index.ts';

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

async function* renamed(
  entries: CheckpointEntries,
  rename: (name: string) => string | null,
): AsyncGenerator<[string, WeightSource]> {
  for await (const [name, source] of entries) {
    const official = rename(name);
    if (official !== null) yield [official, source];
  }
}
