import { dirname, join } from 'node:path';
import { openFile, readRange } from './bytes.ts';
import { quoted } from './json.ts';
import { openSafetensors, type SafetensorsFile } from './safetensors.ts';
import { maxHeaderBytes, parseIndex, SafetensorsError, type SafetensorsIndex } from './safetensors-header.ts';

/**
 * Opens a checkpoint that is split over several safetensors files, by its `*.safetensors.index.json`, as one file.
 *
 * @throws SafetensorsError if the index is broken, names a tensor twice, points out of its folder, or names a tensor
 * that its file lacks.
 * @example await openShards('diffusion_pytorch_model.safetensors.index.json')
 */
export async function openShards(path: string): Promise<SafetensorsFile> {
  const { places, metadata } = await readIndex(path);
  const shards = new Map<string, SafetensorsFile>();
  for (const shard of new Set(places.values())) shards.set(shard, await openShard(path, shard));
  const shardOf = (name: string): SafetensorsFile => {
    const shard = places.get(name);
    if (shard === undefined) throw new SafetensorsError(`${path}: no tensor ${quoted(name)} among ${places.size}`);
    return shards.get(shard)!;
  };
  for (const name of places.keys()) shardOf(name).info(name);
  return {
    path,
    files: [path, ...[...shards.values()].map((file) => file.path)],
    metadata,
    names: () => [...places.keys()],
    has: (name) => places.has(name),
    info: (name) => shardOf(name).info(name),
    read: (name, into) => shardOf(name).read(name, into),
    readRows: (name, start, count) => shardOf(name).readRows(name, start, count),
    map: (name) => shardOf(name).map(name),
    async *entries(options) {
      for (const [shard, file] of shards) {
        for await (const entry of file.entries(options)) if (places.get(entry[0]) === shard) yield entry;
      }
    },
  };
}

async function readIndex(path: string): Promise<SafetensorsIndex> {
  const file = await openFile(path);
  try {
    const { size } = await file.stat();
    if (size > maxHeaderBytes) throw new SafetensorsError(`${size} bytes are more than the ${maxHeaderBytes} accepted`);
    return parseIndex(await readRange(file, 0, size));
  } catch (error) {
    if (error instanceof SafetensorsError) error.message = `${path}: ${error.message}`;
    throw error;
  } finally {
    await file.close();
  }
}

async function openShard(index: string, shard: string): Promise<SafetensorsFile> {
  const path = join(dirname(index), shard);
  try {
    return await openSafetensors(path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
    throw new SafetensorsError(`${index}: ${shard} is missing beside it; download it from where the index came from`);
  }
}
