import { readFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { openSafetensors, type SafetensorsFile } from './safetensors.ts';
import { SafetensorsError } from './safetensors-header.ts';

/**
 * Opens a checkpoint that is split over several safetensors files, by its `*.safetensors.index.json`, as one file.
 *
 * @throws SafetensorsError if the index is broken, points out of its folder, or names a tensor that its file lacks.
 * @example await openShards('diffusion_pytorch_model.safetensors.index.json')
 */
export async function openShards(path: string): Promise<SafetensorsFile> {
  const { places, metadata } = parseIndex(path, await readFile(path, 'utf8'));
  const shards = new Map<string, SafetensorsFile>();
  for (const shard of new Set(places.values())) shards.set(shard, await openShard(path, shard));
  const shardOf = (name: string): SafetensorsFile => {
    const shard = places.get(name);
    if (shard === undefined) throw new SafetensorsError(`${path}: no tensor "${name}" among ${places.size}`);
    return shards.get(shard)!;
  };
  for (const name of places.keys()) shardOf(name).info(name);
  return {
    path,
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

async function openShard(index: string, shard: string): Promise<SafetensorsFile> {
  const path = join(dirname(index), shard);
  try {
    return await openSafetensors(path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
    throw new SafetensorsError(`${index}: ${shard} is missing beside it; download it from where the index came from`);
  }
}

function parseIndex(path: string, text: string): { places: Map<string, string>; metadata: Map<string, string> } {
  const refuse = (why: string): never => {
    throw new SafetensorsError(`${path}: ${why}`);
  };
  const index = parseJson(text) ?? refuse('the index is not a JSON object');
  const { weight_map: map, metadata } = index;
  if (typeof map !== 'object' || map === null) return refuse('the index has no "weight_map"');
  for (const [name, file] of Object.entries(map)) {
    const isPlain = typeof file === 'string' && /^[^/\\]+\.safetensors$/.test(file);
    if (!isPlain)
      refuse(`tensor "${name}" lies in ${JSON.stringify(file)}, wanted a .safetensors file beside the index`);
  }
  const notes = Object.entries(metadata ?? {}).map(([key, value]): [string, string] => [key, String(value)]);
  return { places: new Map(Object.entries(map)), metadata: new Map(notes) };
}

function parseJson(text: string): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : undefined;
  } catch {
    return undefined;
  }
}
