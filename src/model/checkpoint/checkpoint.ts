/** One view of every kind of weight file: safetensors, its sharded form, and PyTorch's. */
import { open, stat } from 'node:fs/promises';
import { openPth, openSafetensors, openShards, type PthFile } from '../../io/index.ts';
import type { Shapes } from '../../nn/index.ts';
import { type WeightFile, withScales } from './scaled-fp8.ts';

/** An open checkpoint: names, dtypes and shapes are in memory, each tensor is read when asked for. */
export interface Checkpoint extends Omit<WeightFile, 'metadata'> {
  /** Shapes of the tensors by the file's own names. */
  shapes(): Shapes;
  readonly format: 'safetensors' | 'sharded safetensors' | 'pytorch';
  /** Key of the saved dictionary, or what stands before the names, that was chosen; null where all tensors are one. */
  readonly part: string | null;
}

/** Options of {@link openCheckpoint}. */
export interface CheckpointOptions {
  /** Key of a saved dictionary, or what stands before the names of a network. @defaultValue the best that is there */
  readonly part?: string;
  /** Hears of what is odd about a file that is read anyway. @defaultValue a warning of the process */
  readonly onNote?: (note: string) => void;
}

/** Keys under which training checkpoints keep a network, the best first (Self-Forcing, CausVid, DeepSpeed, Lightning, LongLive). */
const networkParts = ['generator_ema', 'generator', 'model', 'module', 'state_dict', 'generator_lora'];

/** Those that may stand before the names of a flat file instead, beside each other. */
const flatParts = ['generator_ema', 'generator'];

/**
 * Opens a file of weights by its ending: .safetensors, .safetensors.index.json, or .pth, .pt, .bin, .ckpt.
 *
 * Of a training checkpoint the averaged generator is taken, else the generator, else `model`; one that holds nothing is
 * passed over. Weights in fp8 come multiplied by their scales. Nothing in the file is executed; of its tensors only
 * scales are read.
 *
 * @throws SafetensorsError or PthError if the file is broken or asks for anything but data; RangeError for another
 * ending, a `part` that it has not, scales that do not fit, a folder, an absent file, or a web page or Git LFS pointer
 * in its place.
 * @example await wan.load(config, (await openCheckpoint('self_forcing_dmd.pt')).entries())
 */
export async function openCheckpoint(path: string, options: CheckpointOptions = {}): Promise<Checkpoint> {
  const { part, onNote = (note) => process.emitWarning(`${path}: ${note}`) } = options;
  const format = await formatOf(path);
  await refuseOtherThings(path);
  const opened =
    format === 'pytorch'
      ? partOf(await openPth(path), part, onNote)
      : { file: await (format === 'safetensors' ? openSafetensors(path) : openShards(path)), part: null };
  const chosen = flatPart(opened.file, opened.part === null ? part : undefined);
  const file = await withScales(chosen.file, onNote);
  const shapes = () => new Map(file.names().map((name) => [name, file.info(name).shape]));
  return { ...file, shapes, format, part: chosen.part ?? opened.part };
}

async function formatOf(path: string): Promise<Checkpoint['format']> {
  const isThere = await stat(path).catch(() => null);
  if (isThere?.isDirectory()) throw new RangeError(`path: "${path}" is a folder: name a file of weights in it`);
  const isPytorch = /\.(pth|pt|bin|ckpt)$/.test(path);
  const isSharded = /\.safetensors\.index(\.\w+)?\.json$/.test(path);
  if (!isPytorch && !isSharded && !path.endsWith('.safetensors')) {
    throw new RangeError(
      `path: "${path}" has no known ending; wanted .safetensors, .safetensors.index.json, .pth, .pt, .bin or .ckpt`,
    );
  }
  if (isThere === null) throw new RangeError(`path: there is no file "${path}" that may be read`);
  return isPytorch ? 'pytorch' : isSharded ? 'sharded safetensors' : 'safetensors';
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
  const file = await open(path);
  try {
    const { buffer, bytesRead } = await file.read(Buffer.alloc(64), 0, 64, 0);
    return buffer.toString('latin1', 0, bytesRead);
  } finally {
    await file.close();
  }
}

interface Chosen {
  readonly file: WeightFile;
  readonly part: string | null;
}

/** The dictionary of a saved object that holds the network: the one asked for, else the best that holds anything. */
function partOf(file: PthFile, wanted: string | undefined, tell: (note: string) => void): Chosen {
  const { value } = file;
  const files = [file.path];
  const at = (part: string): WeightFile => ({ ...file.at(part), files });
  const whole = { file: { ...file, files }, part: null };
  const isDictionary = (key: string): boolean => value instanceof Map && value.get(key) instanceof Map;
  if (wanted !== undefined) return isDictionary(wanted) ? { file: at(wanted), part: wanted } : whole;
  const found = networkParts.filter(isDictionary);
  const full = found.find((part) => at(part).names().length > 0);
  if (full === undefined) return whole;
  const empty = found.slice(0, found.indexOf(full));
  if (empty.length > 0) tell(`${empty.join(' and ')} holds nothing; ${full} is taken`);
  return { file: at(full), part: full };
}

/** The tensors whose names begin with a part, without it; all of them where no name does. */
function flatPart(file: WeightFile, wanted: string | undefined): Chosen {
  const names = file.names();
  const has = (part: string): boolean => names.some((name) => name.startsWith(`${part}.`));
  const part = wanted ?? flatParts.find(has);
  if (part === undefined) return { file, part: null };
  if (!has(part)) {
    const there = [...new Set(names.map((name) => name.split('.')[0]!))].slice(0, 8).join(', ');
    throw new RangeError(`part: nothing is saved under "${part}" in ${file.path}; there are ${there}`);
  }
  const prefix = `${part}.`;
  const own = names.filter((name) => name.startsWith(prefix)).map((name) => name.slice(prefix.length));
  const view: WeightFile = {
    ...file,
    names: () => own,
    info: (name) => file.info(prefix + name),
    read: (name, into) => file.read(prefix + name, into),
    readRows: (name, start, count) => file.readRows(prefix + name, start, count),
    map: (name) => file.map(prefix + name),
    entries: async function* (options) {
      for await (const [name, tensor] of file.entries(options)) {
        if (name.startsWith(prefix)) yield [name.slice(prefix.length), tensor];
      }
    },
  };
  return { file: view, part };
}
