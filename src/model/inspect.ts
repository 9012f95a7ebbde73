/** What a file of weights holds, and which of the known architectures it fits. */
import { parameterCount, type Shapes } from '../nn/index.ts';
import { imageRewardPresets, imageRewardShapes } from './blip/index.ts';
import { type Checkpoint, openCheckpoint } from './checkpoint.ts';
import { umt5OfficialName, umt5Presets, umt5Shapes } from './text/index.ts';
import { vaeDiffusersName, vaePresets, vaeShapes } from './vae/index.ts';
import { officialNames, wanPresets, wanShapes } from './wan/index.ts';

/** A weight whose shape is not the preset's. */
export interface MisshapenWeight {
  readonly name: string;
  readonly received: readonly number[];
  readonly wanted: readonly number[];
}

/** How a file compares with the preset that is nearest to it; all names are official ones. */
export interface WeightsFit {
  readonly architecture: string;
  readonly preset: string;
  /** Whether the file's own names are the official ones or had to be translated. */
  readonly naming: 'official' | 'translated';
  readonly missing: readonly string[];
  readonly surplus: readonly string[];
  readonly misshapen: readonly MisshapenWeight[];
  /** Whether all weights of the preset are there in their shapes. */
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
  /** The same in a few lines of text. */
  toString(): string;
}

/**
 * Says what a file of weights holds and which preset it fits: format, dtypes, naming, and what is missing, surplus
 * or misshapen. Names and shapes only: no tensor is read. Options and errors as for `openCheckpoint`.
 *
 * @example console.log(String(await inspectWeights('diffusion_pytorch_model.safetensors')))
 */
export async function inspectWeights(
  path: string,
  options: { readonly part?: string } = {},
): Promise<WeightsInspection> {
  const file = await openCheckpoint(path, options);
  const infos = file.names().map((name) => [name, file.info(name)] as const);
  const shapes: Shapes = new Map(infos.map(([name, { shape }]) => [name, shape]));
  const found: Omit<WeightsInspection, 'toString'> = {
    path,
    format: file.format,
    part: file.part,
    tensors: shapes.size,
    parameters: parameterCount(shapes),
    dtypes: [...new Set(infos.map(([, { dtype }]) => dtype))],
    fit: nearestFit(shapes),
  };
  return { ...found, toString: () => inspectionText(found) };
}

/** A preset to compare with. */
interface Candidate {
  readonly architecture: string;
  readonly preset: string;
  readonly shapes: Shapes;
  readonly rename: (name: string) => string | null;
}

function candidates(): Candidate[] {
  return [
    ...Object.entries(wanPresets).map(([preset, config]) => {
      return { architecture: 'Wan transformer', preset, shapes: wanShapes(config), rename: officialNames(config) };
    }),
    ...Object.entries(vaePresets).map(([preset, config]) => {
      const shapes = vaeShapes(config);
      const official = new Map([...shapes.keys()].map((name) => [vaeDiffusersName(config, name), name]));
      const rename = (name: string): string => official.get(name) ?? name;
      return { architecture: 'Wan VAE', preset, shapes, rename };
    }),
    ...Object.entries(umt5Presets).map(([preset, config]) => {
      return { architecture: 'umT5 encoder', preset, shapes: umt5Shapes(config), rename: umt5Name };
    }),
    ...Object.entries(imageRewardPresets).map(([preset, config]) => {
      const rename = (name: string): string => name;
      return { architecture: 'ImageReward', preset, shapes: imageRewardShapes(config), rename };
    }),
  ];
}

function umt5Name(name: string): string | null {
  const isTransformers = name === 'shared.weight' || name.startsWith('encoder.');
  try {
    return isTransformers ? umt5OfficialName(name) : name;
  } catch {
    return name;
  }
}

/** The preset with the fewest differences, among those of which the file has at least half the names. */
function nearestFit(shapes: Shapes): WeightsFit | null {
  const fits = candidates()
    .map((candidate) => ({ fit: compare(candidate, shapes), size: candidate.shapes.size }))
    .filter(({ fit, size }) => fit.missing.length < size / 2)
    .map(({ fit }) => fit);
  return fits.sort((a, b) => differences(a) - differences(b))[0] ?? null;
}

function differences({ missing, surplus, misshapen }: WeightsFit): number {
  return missing.length + surplus.length + misshapen.length;
}

function compare({ architecture, preset, shapes, rename }: Candidate, received: Shapes): WeightsFit {
  const named = [...received].map(([name, shape]) => [name, rename(name), shape] as const);
  const official = new Map(named.flatMap(([, name, shape]) => (name === null ? [] : [[name, shape] as const])));
  const missing = [...shapes.keys()].filter((name) => !official.has(name));
  const misshapen = [...shapes].flatMap(([name, wanted]) => {
    const shape = official.get(name);
    return shape === undefined || String(shape) === String(wanted) ? [] : [{ name, received: shape, wanted }];
  });
  return {
    architecture,
    preset,
    naming: named.some(([name, to]) => name !== to) ? 'translated' : 'official',
    missing,
    surplus: [...official.keys()].filter((name) => !shapes.has(name)),
    misshapen,
    fits: missing.length === 0 && misshapen.length === 0,
  };
}

function inspectionText({
  path,
  format,
  part,
  tensors,
  parameters,
  dtypes,
  fit,
}: Omit<WeightsInspection, 'toString'>): string {
  const where = part === null ? '' : `, under "${part}"`;
  const head = `${path}: ${format}, ${tensors} tensors, ${parameters.toLocaleString('en')} numbers, ${dtypes.join(', ')}${where}`;
  if (fit === null) return `${head}\narchitecture: none that is known here`;
  const verdict = fit.fits ? 'fits' : 'is nearest to, but does not fit,';
  const misshapen = fit.misshapen.map(({ name, received, wanted }) => `${name} [${received}], wanted [${wanted}]`);
  return [
    head,
    `architecture: ${fit.architecture}; ${verdict} preset ${fit.preset}; ${fit.naming} names`,
    ...listed('missing', fit.missing),
    ...listed('surplus', fit.surplus),
    ...listed('misshapen', misshapen),
  ].join('\n');
}

/** At most eight names: another size differs everywhere. */
function listed(kind: string, names: readonly string[]): string[] {
  if (names.length === 0) return [];
  const more = names.length > 8 ? [`  ... and ${names.length - 8} more`] : [];
  return [`${kind} (${names.length}):`, ...names.slice(0, 8).map((name) => `  ${name}`), ...more];
}
