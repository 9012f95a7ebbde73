/** One view of every kind of weight file: safetensors, its sharded form, and PyTorch's. */
import { stat } from 'node:fs/promises';
import { type HostDType, type HostTensor, openPth, openSafetensors, openShards, type PthFile } from '../io/index.ts';
import { type EntriesOptions, openFile } from '../io/internal.ts';

/** An open checkpoint: names, dtypes and shapes are in memory, each tensor is read when asked for. */
export interface Checkpoint {
  readonly path: string;
  readonly format: 'safetensors' | 'sharded safetensors' | 'pytorch';
  /** Key of the saved dictionary that the tensors lie under, null if they lie at the top. */
  readonly part: string | null;
  names(): string[];
  info(name: string): { readonly dtype: HostDType; readonly shape: readonly number[] };
  /** Reads a tensor, at the start of `into` if that is given and large enough. */
  read(name: string, into?: Uint8Array): Promise<HostTensor>;
  /** Reads `count` rows of a tensor's first axis. */
  readRows(name: string, start: number, count: number): Promise<HostTensor>;
  /** A tensor whose memory is the file: the system reads what is touched, and may drop it again. */
  map(name: string): HostTensor;
  /** Reads tensors one after the other; what `wan.load` and its like take. */
  entries(options?: EntriesOptions): AsyncGenerator<[string, HostTensor]>;
}

/** Keys under which training checkpoints keep a network, the best first (Self-Forcing, CausVid). */
const networkParts = ['generator_ema', 'generator', 'model', 'state_dict'];

/**
 * Opens a file of weights by its ending: .safetensors, .safetensors.index.json, or .pth, .pt, .bin, .ckpt.
 *
 * Of a training checkpoint the averaged generator is taken, else the generator, else `model`; `part` chooses another
 * key. Nothing in the file is executed and no tensor is read.
 *
 * @throws SafetensorsError or PthError if the file is broken or asks for anything but data; RangeError for another
 * ending, a `part` of a file that has none, a folder, an absent file, or a web page or Git LFS pointer in its place.
 * @example await wan.load(config, (await openCheckpoint('self_forcing_dmd.pt')).entries())
 */
export async function openCheckpoint(path: string, { part }: { readonly part?: string } = {}): Promise<Checkpoint> {
  const isPytorch = /\.(pth|pt|bin|ckpt)$/.test(path);
  const isSharded = path.endsWith('.safetensors.index.json');
  const isThere = await stat(path).catch(() => null);
  if (isThere?.isDirectory()) throw new RangeError(`path: "${path}" is a folder: name a file of weights in it`);
  if (!isPytorch && !isSharded && !path.endsWith('.safetensors')) {
    throw new RangeError(
      `path: "${path}" has no known ending; wanted .safetensors, .safetensors.index.json, .pth, .pt, .bin or .ckpt`,
    );
  }
  if (isThere === null) throw new RangeError(`path: there is no file "${path}" that may be read`);
  await refuseOtherThings(path);
  if (isPytorch) return pytorchCheckpoint(await openPth(path), part);
  if (part !== undefined) throw new RangeError(`part: "${part}" was asked of ${path}; only PyTorch files have parts`);
  const file = isSharded ? await openShards(path) : await openSafetensors(path);
  return { ...file, format: isSharded ? 'sharded safetensors' : 'safetensors', part: null };
}

/** Says what the commonest things are that lie where weights should; broken files are left to their readers. */
async function refuseOtherThings(path: string): Promise<void> {
  const start = await firstBytes(path);
  if (start.startsWith('version https://git-lfs')) {
    throw new RangeError(
      `${path} is a Git LFS pointer, not the weights: fetch them with "git lfs pull" or "hf download"`,
    );
  }
  if (/^\s*<(!doctype|html)/i.test(start)) {
    throw new RangeError(
      `${path} is a web page, not weights: download the file itself, for example with "hf download"`,
    );
  }
  if (start.startsWith('PK') && path.endsWith('.safetensors')) {
    throw new RangeError(`${path} begins as a ZIP file, which PyTorch's are: give it the ending .pth`);
  }
}

async function firstBytes(path: string): Promise<string> {
  const file = await openFile(path);
  try {
    const { buffer, bytesRead } = await file.read(Buffer.alloc(64), 0, 64, 0);
    return buffer.toString('latin1', 0, bytesRead);
  } finally {
    await file.close();
  }
}

function pytorchCheckpoint(file: PthFile, wanted: string | undefined): Checkpoint {
  const { value } = file;
  const part = wanted ?? networkParts.find((key) => value instanceof Map && value.get(key) instanceof Map) ?? null;
  const inside = part === null ? file : file.at(part);
  return {
    path: file.path,
    format: 'pytorch',
    part,
    names: inside.names,
    info: inside.info,
    read: inside.read,
    readRows: inside.readRows,
    map: inside.map,
    entries: inside.entries,
  };
}
