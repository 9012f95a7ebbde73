/**
 * Files of fp8 weights with their scales, read as the numbers they stand for: `X.weight` times `X.scale_weight` or
 * `X.weight_scale`, in whichever layout it is published. Sources: ComfyUI comfy/quant_ops.py and comfy/utils.py
 * (`convert_old_quants`); musubi-tuner modules/fp8_optimization_utils.py; LightX2V's converter.
 */
import { type HostDType, type HostTensor, hostTensor, toFloat32 } from '../../io/index.ts';
import { elementCount } from '../../io/internal.ts';

/** A file of weights as its reader gives it. */
export interface WeightFile {
  readonly path: string;
  /** The files that hold the tensors: this one, or the parts of an index. */
  readonly files: readonly string[];
  /** Text beside the tensors, where the format has it. */
  readonly metadata?: ReadonlyMap<string, string>;
  names(): string[];
  info(name: string): { readonly dtype: HostDType; readonly shape: readonly number[] };
  /** Reads a tensor, at the start of `into` if that is given and large enough. */
  read(name: string, into?: Uint8Array): Promise<HostTensor>;
  /** Reads `count` rows of a tensor's first axis. */
  readRows(name: string, start: number, count: number): Promise<HostTensor>;
  /** A tensor whose memory is the file: the system reads what is touched, and may drop it again. */
  map(name: string): HostTensor;
  /** Reads tensors one after the other; with `reuse` each into the memory of the one before. */
  entries(options?: { readonly reuse?: boolean }): AsyncGenerator<[string, HostTensor]>;
}

/** Formats of ComfyUI's quantised layers that are read, by the dtype that their weights have. */
const formats: Readonly<Record<string, HostDType>> = { float8_e4m3fn: 'float8_e4m3', float8_e5m2: 'float8_e5m2' };

/** Most bytes of a layer's `comfy_quant`, which is a line of JSON. */
const longestFormat = 4096;

/** Scales of so many elements are looked at when a file is opened, larger ones when their weight is read. */
const smallScale = 2 ** 16;

/**
 * The file with its scales applied and what belongs to them left out of its names. A file without scales comes back as
 * it is: fp8 without them counts as cast.
 *
 * @param tell - hears of what is odd but has one meaning
 * @throws RangeError for scales that fit no weight, that are not numbers, or that come twice; and for formats that are
 * not read here.
 */
export async function withScales(file: WeightFile, tell: (note: string) => void): Promise<WeightFile> {
  const names = file.names();
  const scales = scalesOf(file, names);
  const declared = await checkFormats(file, names, tell);
  const isMarked = names.some((name) => /(^|\.)scaled_fp8$/.test(name));
  const isBare = (name: string): boolean =>
    name.endsWith('.weight') && isFp8(file.info(name).dtype) && !scales.has(name) && (isMarked || declared.has(name));
  const bare = names.filter(isBare);
  if (bare.length > 0) {
    const some = `${bare.slice(0, 4).join(', ')}${bare.length > 4 ? ` and ${bare.length - 4} more` : ''}`;
    tell(`the file is marked as scaled, but has no scale for ${some}: they count as cast`);
  }
  for (const [weight, scale] of scales) {
    scaleLayout(file, weight, scale);
    if (elementCount(file.info(scale).shape) > smallScale) continue;
    const values = scaleValues(file, scale, await file.read(scale));
    if (values.includes(0)) tell(`${scale} holds 0: what it scales is 0 throughout`);
  }
  const hidden = names.filter((name) => companion.test(name));
  return hidden.length === 0 ? file : scaledView(file, scales, new Set(hidden));
}

/** What belongs to weights and is none. */
const companion = /\.(scale_weight|weight_scale|scale_input|input_scale|comfy_quant)$|(^|\.)(scaled_fp8|spiece_model)$/;

function isFp8(dtype: HostDType): boolean {
  return dtype === 'float8_e4m3' || dtype === 'float8_e5m2';
}

/** Names of scales by those of their weights. */
function scalesOf(file: WeightFile, names: readonly string[]): Map<string, string> {
  const known = new Set(names);
  const scales = new Map<string, string>();
  for (const name of names) {
    const [, layer] = /^(.*)\.(?:scale_weight|weight_scale)$/.exec(name) ?? [];
    if (layer === undefined) continue;
    const weight = `${layer}.weight`;
    if (!known.has(weight)) throw refusal(file, `${name} is a scale, but there is no ${weight}`);
    if (scales.has(weight)) throw refusal(file, `${weight} has two scales, ${scales.get(weight)} and ${name}`);
    if (!isFp8(file.info(weight).dtype)) {
      throw refusal(file, `${name} is a scale beside ${weight} of ${file.info(weight).dtype}; wanted fp8 weights`);
    }
    scales.set(weight, name);
  }
  return scales;
}

/** Weights of which the file says a format, in a tensor beside each or in its header; all of them are checked. */
async function checkFormats(
  file: WeightFile,
  names: readonly string[],
  tell: (note: string) => void,
): Promise<ReadonlySet<string>> {
  const known = new Set(names);
  const declared = new Set<string>();
  for (const name of names) {
    const [, layer] = /^(.*)\.comfy_quant$/.exec(name) ?? [];
    if (layer === undefined) continue;
    if (elementCount(file.info(name).shape) > longestFormat) throw refusal(file, `${name} is too long for a format`);
    const { data } = await file.read(name);
    checkFormat(file, layer, parsed(file, name, Buffer.from(data as Uint8Array).toString()));
    declared.add(`${layer}.weight`);
  }
  const header = file.metadata?.get('_quantization_metadata');
  if (header === undefined) return declared;
  const { layers } = parsed(file, '_quantization_metadata', header) as { layers?: Record<string, unknown> };
  const absent: string[] = [];
  for (const [layer, format] of Object.entries(layers ?? {})) {
    if (!known.has(`${layer}.weight`)) absent.push(layer);
    else {
      checkFormat(file, layer, format);
      declared.add(`${layer}.weight`);
    }
  }
  if (absent.length > 0) {
    tell(`_quantization_metadata names layers that are not there: ${absent.slice(0, 4).join(', ')}`);
  }
  return declared;
}

function parsed(file: WeightFile, name: string, text: string): unknown {
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value === 'object' && value !== null) return value;
  } catch {
    // told below
  }
  throw refusal(file, `${name} holds ${JSON.stringify(text.slice(0, 40))}; wanted a JSON object`);
}

function checkFormat(file: WeightFile, layer: string, found: unknown): void {
  const format = String((found as { format?: unknown } | null)?.format);
  const { dtype } = file.info(`${layer}.weight`);
  if (Object.hasOwn(formats, format) && formats[format] === dtype) return;
  const wanted = Object.keys(formats).join(' or ');
  throw refusal(file, `${layer}.weight has ${dtype} and is said to be ${format}; wanted ${wanted}, as its dtype is`);
}

/** The scale's numbers, all of them finite and none negative. */
function scaleValues(file: WeightFile, name: string, scale: HostTensor): Float32Array {
  const values = toFloat32(scale);
  const wrong = values.find((value) => !(value >= 0 && value < Number.POSITIVE_INFINITY));
  if (wrong === undefined) return values;
  throw refusal(file, `${name} holds ${wrong}; wanted numbers from 0 up`);
}

/** Rows that a scale has a number of its own for, and how many blocks it cuts each row into. */
interface ScaleLayout {
  readonly rows: number;
  readonly blocks: number;
}

/** @throws RangeError for a scale that is neither one number, one for each output, nor one for each block of a row. */
function scaleLayout(file: WeightFile, weight: string, scale: string): ScaleLayout {
  const [out = 1, ...rest] = file.info(weight).shape;
  const { shape } = file.info(scale);
  const [rows = 1, blocks = 1, last = 1] = shape;
  if (elementCount(shape) === 1) return { rows: 1, blocks: 1 };
  if (rows === out && blocks === 1 && shape.length <= 2) return { rows, blocks };
  if (rows === out && shape.length === 3 && last === 1 && elementCount(rest) % blocks === 0) return { rows, blocks };
  throw refusal(
    file,
    `${scale} has shape [${shape}] beside ${weight} of [${[out, ...rest]}]; wanted one number, [${out}, 1], or ` +
      `[${out}, blocks, 1]`,
  );
}

function scaledView(file: WeightFile, scales: ReadonlyMap<string, string>, hidden: ReadonlySet<string>): WeightFile {
  const apply = (name: string, part: HostTensor, scale: HostTensor, first: number, out?: Float32Array): HostTensor => {
    const place = scales.get(name)!;
    const layout = scaleLayout(file, name, place);
    const values = toFloat32(part, out);
    multiply(values, values.length / (part.shape[0] ?? 1), scaleValues(file, place, scale), layout, first);
    return hostTensor('float32', part.shape, values);
  };
  const names = file.names().filter((name) => !hidden.has(name));
  const read = async (name: string, into?: Uint8Array, out?: Float32Array): Promise<HostTensor> => {
    const scale = scales.get(name);
    return scale === undefined
      ? file.read(name, into)
      : apply(name, await file.read(name, into), await file.read(scale), 0, out);
  };
  return {
    ...file,
    names: () => names,
    read,
    readRows: async (name, start, count) => {
      const part = await file.readRows(name, start, count);
      const scale = scales.get(name);
      return scale === undefined ? part : apply(name, part, await file.read(scale), start);
    },
    map: (name) => {
      const scale = scales.get(name);
      return scale === undefined ? file.map(name) : apply(name, file.map(name), file.map(scale), 0);
    },
    entries: async function* ({ reuse = false } = {}) {
      const sizes = names.map((name) => elementCount(file.info(name).shape));
      const largest = Math.max(0, ...sizes);
      const [shared, out] = reuse ? [new Uint8Array(8 * largest), new Float32Array(largest)] : [];
      for (const name of names) yield [name, await read(name, shared, out)];
    },
  };
}

/** Rows of `width` values times their scales, in place; `first` is the row of the whole weight that they begin with. */
function multiply(
  values: Float32Array,
  width: number,
  scales: Float32Array,
  { rows, blocks }: ScaleLayout,
  first: number,
): void {
  const block = width / blocks;
  for (let start = 0, i = first * blocks; start < values.length; start += block, i++) {
    const scale = scales[rows === 1 ? 0 : i]!;
    for (let at = start; at < start + block; at++) values[at]! *= scale;
  }
}

function refusal(file: WeightFile, message: string): RangeError {
  return new RangeError(`${file.path}: ${message}`);
}
