/** What a file of weights holds, and which of the known architectures it fits. */
import { type Architecture, parameterCount, type ShapeDifferences, type Shapes } from '../nn/index.ts';
import { isFiniteTensor, type LoraDescription, loraOf, loraText, shapeDifferences } from '../nn/internal.ts';
import { amt } from './amt/amt.ts';
import { imageReward } from './blip/blip.ts';
import { type Checkpoint, openCheckpoint } from './checkpoint/checkpoint.ts';
import { clip } from './clip/clip.ts';
import { dino } from './dino/dino.ts';
import { musiq } from './musiq/musiq.ts';
import { qwen2vl } from './qwen2vl/qwen2vl.ts';
import { raft } from './raft/raft.ts';
import { umt5 } from './text/umt5.ts';
import { vae } from './vae/codec.ts';
import { viclip } from './viclip/viclip.ts';
import { wan } from './wan/pass.ts';

/** The records of this layer: every kind of network that files of weights are compared with. */
export const architectures: readonly Architecture<unknown>[] = [
  ...[wan, vae, umt5, imageReward, clip, viclip, dino, raft, amt, musiq, qwen2vl],
];

/** How a file compares with the preset that is nearest to it; all names are official ones. */
export interface WeightsFit extends ShapeDifferences {
  readonly architecture: string;
  readonly preset: string;
  /** Whether the file's own names are the official ones or had to be translated. */
  readonly naming: 'official' | 'translated';
  /** What loading takes beside the preset. */
  readonly note: string | null;
  /** Whether the architecture's `load` takes the file: nothing missing, surplus or misshapen. */
  readonly fits: boolean;
}

/** What {@link inspectWeights} finds. */
export interface WeightsInspection {
  readonly path: string;
  readonly format: Checkpoint['format'];
  /** Key of the saved dictionary that was looked at, null if the tensors lie at the top. */
  readonly part: string | null;
  readonly tensors: number;
  readonly parameters: number;
  readonly dtypes: readonly string[];
  /** The nearest preset, null if the names are those of no known architecture. */
  readonly fit: WeightsFit | null;
  /** What the file changes, where it is a LoRA and no network. */
  readonly lora: LoraDescription | null;
  /** What is odd about it. */
  readonly notes: readonly string[];
  /** Weights that hold NaN or infinity, null where values were not looked at. */
  readonly notFinite: readonly string[] | null;
  /** The same in a few lines of text. */
  toString(): string;
}

/** Options of {@link inspectWeights}. */
export interface InspectOptions {
  /** Key of a saved dictionary, as for `openCheckpoint`. */
  readonly part?: string;
  /** Whether all values are read as well, to find those that are no numbers. @defaultValue false */
  readonly values?: boolean;
  /** Architectures beside those of this layer. */
  readonly also?: readonly Architecture<unknown>[];
}

/**
 * Says what a file of weights holds and which preset it fits: format, dtypes, naming, and what is missing, surplus
 * or misshapen. Names and shapes only, unless `values` are asked for. Errors as for `openCheckpoint`.
 *
 * @example console.log(String(await inspectWeights('diffusion_pytorch_model.safetensors')))
 */
export async function inspectWeights(
  path: string,
  { also = [], values = false, ...options }: InspectOptions = {},
): Promise<WeightsInspection> {
  const notes: string[] = [];
  const file = await openCheckpoint(path, { ...options, onNote: (note) => notes.push(note) });
  const shapes = file.shapes();
  const lora = loraOf(shapes);
  const fit = lora === null ? nearestFit([...architectures, ...also], shapes) : null;
  const notFinite = values ? await namesOfNonFinite(file) : null;
  const found: Found = {
    path,
    format: file.format,
    part: file.part,
    tensors: shapes.size,
    parameters: parameterCount(shapes),
    dtypes: [...new Set(file.names().map((name) => file.info(name).dtype))],
    fit: fit && { ...fit, fits: fit.fits && !notFinite?.length },
    lora,
    notes,
    notFinite,
  };
  return { ...found, toString: () => inspectionText(found) };
}

async function namesOfNonFinite(file: Checkpoint): Promise<string[]> {
  const found: string[] = [];
  for await (const [name, tensor] of file.entries({ reuse: true })) if (!isFiniteTensor(tensor)) found.push(name);
  return found;
}

/** The preset with the fewest differences, among those of which the file has half the names, or that have half of its. */
function nearestFit(known: readonly Architecture<unknown>[], received: Shapes): WeightsFit | null {
  const fits = known.flatMap((architecture) =>
    Object.entries(architecture.presets).flatMap(([preset, config]) => {
      const { wanted, official, note = null } = architecture.compare(received, config);
      const found = shapeDifferences(official, wanted);
      if (found.missing.length >= wanted.size / 2 && found.surplus.length >= received.size / 2) return [];
      const naming = [...official.keys()].some((name) => !received.has(name)) ? 'translated' : 'official';
      const fits = differences(found) === 0;
      return [{ architecture: architecture.name, preset, naming, note, ...found, fits } satisfies WeightsFit];
    }),
  );
  return fits.sort((a, b) => differences(a) - differences(b))[0] ?? null;
}

function differences({ missing, surplus, misshapen }: ShapeDifferences): number {
  return missing.length + surplus.length + misshapen.length;
}

type Found = Omit<WeightsInspection, 'toString'>;

function inspectionText({ fit, lora, notes, notFinite, ...found }: Found): string {
  const where = found.part === null ? '' : `, under "${found.part}"`;
  const size = `${found.tensors} tensors, ${found.parameters.toLocaleString('en')} numbers`;
  const head = `${found.path}: ${found.format}, ${size}, ${found.dtypes.join(', ')}${where}`;
  const lines = [head, ...notes.map((note) => `note: ${note}`)];
  if (lora !== null) return [...lines, loraText(lora)].join('\n');
  if (fit === null) return [...lines, 'architecture: none that is known here'].join('\n');
  const verdict = fit.fits ? 'fits' : 'is nearest to, but does not fit,';
  const misshapen = fit.misshapen.map(({ name, received, wanted }) => `${name} [${received}], wanted [${wanted}]`);
  return [
    ...lines,
    `architecture: ${fit.architecture}; ${verdict} preset ${fit.preset}; ${fit.naming} names`,
    ...(fit.note === null ? [] : [`to load: ${fit.note}`]),
    ...listed('missing', fit.missing),
    ...listed('surplus', fit.surplus),
    ...listed('misshapen', misshapen),
    ...listed('NaN or infinite', notFinite ?? []),
  ].join('\n');
}

/** At most eight names: another size differs everywhere. */
function listed(kind: string, names: readonly string[]): string[] {
  if (names.length === 0) return [];
  const more = names.length > 8 ? [`  ... and ${names.length - 8} more`] : [];
  return [`${kind} (${names.length}):`, ...names.slice(0, 8).map((name) => `  ${name}`), ...more];
}
