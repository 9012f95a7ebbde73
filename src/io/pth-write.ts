/** Writing of PyTorch files: dictionaries of float tensors, as `torch.save` lays them out and `torch.load` reads them with `weights_only`. */
import { Zip, ZipPassThrough } from 'fflate';
import { writeAtomic } from './files.ts';
import { bytesOf, elementCount, type HostDType, type HostTensor } from './host-tensor.ts';
import { PthError } from './pth-zip.ts';

/** Named tensors, or named dictionaries of them. */
export type PthContent = { readonly [name: string]: HostTensor | ReadonlyMap<string, HostTensor> };

/** A file beyond this would need the wide form of ZIP. */
const mostBytes = 2 ** 32 - 2 ** 24;

const storages: Partial<Record<HostDType, string>> = {
  float32: 'FloatStorage',
  float64: 'DoubleStorage',
  float16: 'HalfStorage',
  bfloat16: 'BFloat16Storage',
};

/**
 * Writes a PyTorch file of float tensors atomically.
 *
 * @throws PthError for other dtypes, and beyond 4 GiB: write safetensors then.
 * @example await writePth('lora.pt', { generator_lora: await net.weights.toHost() })
 */
export async function writePth(path: string, content: PthContent): Promise<void> {
  const tensors: HostTensor[] = [];
  const parts = Object.entries(content).map(([name, value]): [string, Buffer] => {
    if (value instanceof Map)
      return [name, dictionary([...value].map(([key, tensor]) => [key, pickled(tensor, tensors)]))];
    return [name, pickled(value as HostTensor, tensors)];
  });
  const data = Buffer.concat([Buffer.from([0x80, 2]), dictionary(parts), Buffer.from('.')]);
  const bytes = tensors.reduce((sum, tensor) => sum + bytesOf(tensor).byteLength, data.byteLength);
  if (bytes > mostBytes)
    throw new PthError(`${bytes} bytes are more than a PyTorch file holds here: write safetensors`);
  await writeAtomic(path, records(data, tensors));
}

/** An archive of stored records: the pickle, what says how to read it, and each tensor's elements. */
function* records(data: Uint8Array, tensors: readonly HostTensor[]): Generator<Uint8Array> {
  let made: Uint8Array[] = [];
  const zip = new Zip((error, chunk) => {
    if (error) throw error;
    made.push(chunk);
  });
  const record = function* (name: string, content: Uint8Array): Generator<Uint8Array> {
    const entry = new ZipPassThrough(`archive/${name}`);
    zip.add(entry);
    entry.push(content, true);
    yield* made;
    made = [];
  };
  yield* record('data.pkl', data);
  yield* record('byteorder', Buffer.from('little'));
  for (const [i, tensor] of tensors.entries()) yield* record(`data/${i}`, bytesOf(tensor));
  yield* record('version', Buffer.from('3\n'));
  zip.end();
  yield* made;
}

const global = (module: string, name: string): Buffer => Buffer.from(`c${module}\n${name}\n`);
const tuple = (...items: Buffer[]): Buffer => Buffer.concat([Buffer.from('('), ...items, Buffer.from('t')]);

function text(value: string): Buffer {
  const bytes = Buffer.from(value);
  const head = Buffer.from('X....');
  head.writeUInt32LE(bytes.length, 1);
  return Buffer.concat([head, bytes]);
}

/** A whole number below 2^63. */
function whole(value: number): Buffer {
  const bytes = Buffer.alloc(10);
  bytes.set([0x8a, 8]);
  bytes.writeBigInt64LE(BigInt(value), 2);
  return bytes;
}

function dictionary(entries: readonly (readonly [string, Buffer])[]): Buffer {
  return Buffer.concat([Buffer.from('}('), ...entries.flatMap(([key, value]) => [text(key), value]), Buffer.from('u')]);
}

/** A call of `_rebuild_tensor_v2` on a storage of its own, whose number is its place among the tensors. */
function pickled(tensor: HostTensor, tensors: HostTensor[]): Buffer {
  const kind = storages[tensor.dtype];
  if (kind === undefined) throw new PthError(`${tensor.dtype}: only ${Object.keys(storages).join(', ')} are written`);
  const { shape } = tensor;
  const key = String(tensors.push(tensor) - 1);
  const storage = tuple(text('storage'), global('torch', kind), text(key), text('cpu'), whole(elementCount(shape)));
  const strides = shape.map((_, axis) => elementCount(shape.slice(axis + 1)));
  const numbers = (values: readonly number[]): Buffer => tuple(...values.map(whole));
  const hooks = Buffer.concat([global('collections', 'OrderedDict'), tuple(), Buffer.from('R')]);
  const state = tuple(
    storage,
    Buffer.from('Q'),
    whole(0),
    numbers(shape),
    numbers(strides),
    Buffer.from([0x89]),
    hooks,
  );
  return Buffer.concat([global('torch._utils', '_rebuild_tensor_v2'), state, Buffer.from('R')]);
}
