/** Weights from checkpoints: names as training and packing left them, low-rank changes, half precisions, what is no number. */
import { capabilities } from '../engine/index.ts';
import { tf } from '../engine/tf.ts';
import { type HostTensor, hostTensor, toFloat32 } from '../io/index.ts';
import { bytesOf, elementCount } from '../io/internal.ts';
import { checkShapes, type Shapes } from './shapes.ts';
import { type WeightSource, Weights, type WeightsOptions } from './weights.ts';

/** Tensors of a checkpoint with their names, at once or one after the other (`file.entries()`). */
export type CheckpointEntries =
  | Iterable<readonly [string, WeightSource]>
  | AsyncIterable<readonly [string, WeightSource]>;

/** Wrappers that training frameworks leave in the names of a checkpoint. */
const wrappers = /(?:^|(?<=\.))(?:module|_fsdp_wrapped_module|_checkpoint_wrapped_module|_orig_mod)\./g;

/** Networks that lie beside others in one file. */
const neighbours = /^(?:model\.diffusion_model|diffusion_model|first_stage_model|vae|text_encoders|cond_stage_model)\./;

/**
 * The name without wrappers of training (DistributedDataParallel, FSDP, compile) and without what files put before it;
 * null for a weight of a network that lies beside this one.
 */
export function plainName(name: string, prefixes: readonly string[]): string | null {
  let plain = name.replace(wrappers, '');
  for (let found: string | undefined = ''; found !== undefined; ) {
    found = prefixes.find((prefix) => plain.startsWith(prefix));
    plain = plain.slice(found?.length ?? 0);
  }
  return neighbours.test(plain) ? null : plain;
}

/** Entries under other names; null drops one. */
export async function* renamedEntries(
  entries: CheckpointEntries,
  rename: (name: string) => string | null,
): AsyncGenerator<[string, WeightSource]> {
  for await (const [name, source] of entries) {
    const found = rename(name);
    if (found !== null) yield [found, source];
  }
}

/**
 * Weights from a checkpoint, each entry renamed to its official name (null drops it), all of them checked.
 *
 * @throws Error listing the missing, surplus and misshapen weights by their official names, saying what a LoRA is, or
 * naming a weight that holds what is no number.
 */
export async function loadChecked(
  shapes: Shapes,
  entries: CheckpointEntries,
  rename: (name: string) => string | null,
  options: WeightsOptions = {},
): Promise<Weights> {
  const weights = await Weights.stream(widened(renamedEntries(entries, rename)), options);
  try {
    const lora = loraOf(weights.shapes());
    if (lora !== null) throw new Error(`the tensors are those of ${loraText(lora)}`);
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

async function* widened(entries: AsyncIterable<[string, WeightSource]>): AsyncGenerator<[string, WeightSource]> {
  const widen = widener();
  for await (const [name, source] of entries) {
    if (!(source instanceof tf.Tensor)) checkFinite(name, source);
    yield [name, widen(source)];
  }
}

/** @throws Error naming a weight of which some values are NaN or infinite. */
export function checkFinite(name: string, tensor: HostTensor): void {
  if (isFiniteTensor(tensor)) return;
  throw new Error(
    `${name}: some of its ${elementCount(tensor.shape)} values are NaN or infinite; the file is damaged, or its ` +
      'training diverged: take another or an earlier one',
  );
}

/**
 * For each type, of the elements in a 32-bit word: the bits of their exponents (of E4M3 those of its only NaN), the last
 * of these, and the signs. What is not finite has all of its bits set, so that adding the last carries into the sign.
 */
const exponents: Readonly<Partial<Record<HostTensor['dtype'], readonly [bits: number, last: number, signs: number]>>> =
  {
    float32: [0x7f800000, 0x00800000, 0x80000000],
    bfloat16: [0x7f807f80, 0x00800080, 0x80008000],
    float16: [0x7c007c00, 0x04000400, 0x80008000],
    float8_e4m3: [0x7f7f7f7f, 0x01010101, 0x80808080],
    float8_e5m2: [0x7c7c7c7c, 0x04040404, 0x80808080],
  };

/** Whether all values are numbers: none NaN, none infinite. */
export function isFiniteTensor(tensor: HostTensor): boolean {
  if (tensor.dtype === 'float64') return (tensor.data as Float64Array).every((value) => value - value === 0);
  const found = exponents[tensor.dtype];
  if (found === undefined) return true;
  const [bits, last, signs] = found;
  const words = wordsOf(bytesOf(tensor));
  for (let i = 0; i < words.length; i++) if (((words[i]! & bits) + last) & signs) return false;
  return true;
}

/** Bytes as 32-bit words, copied only where they do not lie so; what is left of the last word is 0. */
function wordsOf(bytes: Uint8Array): Uint32Array {
  const isAligned = bytes.byteOffset % 4 === 0 && bytes.length % 4 === 0;
  if (isAligned) return new Uint32Array(bytes.buffer, bytes.byteOffset, bytes.length / 4);
  const copy = new Uint8Array(4 * Math.ceil(bytes.length / 4));
  copy.set(bytes);
  return new Uint32Array(copy.buffer);
}

/**
 * Whether the engine copies the arrays that tensors are made from, so that one array serves all: touching new memory
 * takes longer than reading a file. TensorFlow.js's own interpreter keeps them.
 */
export function copiesUploads(): boolean {
  return capabilities().copiesUploads;
}

const narrow: ReadonlySet<HostTensor['dtype']> = new Set(['bfloat16', 'float16', 'float8_e4m3', 'float8_e5m2']);

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

/** What a file of a LoRA holds: smallest and largest rank of its changes, and the modules that it changes. */
export interface LoraDescription {
  readonly ranks: readonly [number, number];
  readonly targets: readonly string[];
}

const down = /^(.*?)\.(?:lora_A|lora_down)(?:\.\w+)?(?:\.weight)?$/;
const other = /\.(?:lora_B|lora_up)(?:\.\w+)?(?:\.weight)?$|\.(?:alpha|diff|diff_b|dora_scale)$/;

/** What a LoRA changes and by which rank; null for the weights of a network, also with factors beside them. */
export function loraOf(shapes: Shapes): LoraDescription | null {
  const ranks: number[] = [];
  const targets: string[] = [];
  let others = 0;
  for (const [name, shape] of shapes) {
    const target = down.exec(name)?.[1];
    if (target !== undefined) {
      ranks.push(shape[0] ?? 1);
      targets.push(target);
    } else if (!other.test(name)) others++;
  }
  if (targets.length === 0 || others > targets.length) return null;
  return { ranks: [Math.min(...ranks), Math.max(...ranks)], targets };
}

/** A LoRA in words, with what to do about it. */
export function loraText({ ranks: [least, most], targets }: LoraDescription): string {
  const rank = least === most ? `rank ${least}` : `ranks ${least} to ${most}`;
  const some = `${targets.slice(0, 3).join(', ')}${targets.length > 3 ? ', ...' : ''}`;
  return (
    `a LoRA of ${rank} on ${targets.length} modules (${some}): it changes a network and is none itself; open the ` +
    'network that it was trained on, or one into which it was merged'
  );
}
