/** One view of every kind of weight file: safetensors, its sharded form, and PyTorch's. */
import {
  type EntriesOptions,
  type HostDType,
  type HostTensor,
  openPth,
  openSafetensors,
  openShards,
  type PthFile,
} from '../io/index.ts';

/** An open checkpoint: names, dtypes and shapes are in memory, each tensor is read when asked for. */
export interface Checkpoint {
  readonly path: string;
  readonly format: 'safetensors' | 'sharded safetensors' | 'pytorch';
  /** Key of the saved dictionary that the tensors lie under, null if they lie at the top. */
  readonly part: string | null;
  names(): string[];
  info(name: string): { readonly dtype: HostDType; readonly shape: readonly number[] };
  read(name: string): Promise<HostTensor>;
  /** Reads `count` rows of a tensor's first axis. */
  readRows(name: string, start: number, count: number): Promise<HostTensor>;
  /** A tensor whose memory is the file: the system reads what is touched, and may drop it again. */
  map(name: string): HostTensor;
  /** Reads tensors one after the other; what `loadWan`, `loadVae` and `loadUmt5` take. */
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
 * ending, or a `part` of a file that has none.
 * @example await loadWan(config, (await openCheckpoint('self_forcing_dmd.pt')).entries())
 */
export async function openCheckpoint(path: string, { part }: { readonly part?: string } = {}): Promise<Checkpoint> {
  if (/\.(pth|pt|bin|ckpt)$/.test(path)) return pytorchCheckpoint(await openPth(path), part);
  const isSharded = path.endsWith('.safetensors.index.json');
  if (!isSharded && !path.endsWith('.safetensors')) {
    throw new RangeError(
      `path: "${path}" has no known ending; wanted .safetensors, .safetensors.index.json, .pth, .pt, .bin or .ckpt`,
    );
  }
  if (part !== undefined) throw new RangeError(`part: "${part}" was asked of ${path}; only PyTorch files have parts`);
  const file = isSharded ? await openShards(path) : await openSafetensors(path);
  return { ...file, format: isSharded ? 'sharded safetensors' : 'safetensors', part: null };
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
