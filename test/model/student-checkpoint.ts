/** Training checkpoints of causal students as Self-Forcing saves them, written byte by byte. */
import { writeFile } from 'node:fs/promises';
import { type HostTensor, toFloat32 } from '../../src/io/index.ts';
import { bytesOf, toBfloat16 } from '../../src/io/internal.ts';
import { archive, dictionary, mapping, op, tensor } from '../io/pth-writer.ts';

type Tensors = ReadonlyMap<string, HostTensor>;

/** Generators of a checkpoint by their keys. */
export interface SavedGenerators {
  readonly generator: Tensors;
  readonly generator_ema: Tensors;
}

/** Names as FSDP leaves them: the network and each block in a wrapper. */
function wrapped(name: string): string {
  return `model._fsdp_wrapped_module.${name.replace(/^(blocks\.\d+)/, '$1._fsdp_wrapped_module')}`;
}

/** Writes both generators in bfloat16, the averaged one under plain names, beside a step and a critic's weight. */
export async function writeStudent(path: string, { generator, generator_ema }: SavedGenerators): Promise<void> {
  const storages: Record<string, Uint8Array> = {};
  const saved = (tensors: Tensors, rename: (name: string) => string) =>
    mapping(Object.fromEntries([...tensors].map(([name, host]) => [rename(name), savedTensor(host, storages)])));
  const data = dictionary({
    generator: saved(generator, wrapped),
    generator_ema: saved(generator_ema, (name) => `model.${name}`),
    critic: saved(new Map([...generator].slice(0, 1)), (name) => `model.${name}`),
    step: op.integer(600),
  });
  await writeFile(path, archive({ 'student/data.pkl': data, 'student/version': Buffer.from('3\n'), ...storages }));
}

function savedTensor(host: HostTensor, storages: Record<string, Uint8Array>): Buffer {
  const key = String(Object.keys(storages).length);
  const narrow = toBfloat16(toFloat32(host));
  storages[`student/data/${key}`] = bytesOf({ dtype: 'bfloat16', shape: host.shape, data: narrow });
  const stride = host.shape.map((_, axis) => host.shape.slice(axis + 1).reduce((step, extent) => step * extent, 1));
  return tensor(key, narrow.length, { shape: host.shape, stride }, 'BFloat16Storage');
}
