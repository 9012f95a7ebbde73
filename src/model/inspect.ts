/** What a file of weights holds, and which of the known architectures it fits. */
import { parameterCount, type Shapes, sameShape } from '../nn/index.ts';
import { architectures } from './architectures.ts';
import { type Checkpoint, openCheckpoint } from './checkpoint.ts';

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

/** The preset with the fewest differences, among those of which the file has at least half the names. */
function nearestFit(received: Shapes): WeightsFit | null {
  const fits = architectures
    .flatMap((architecture) =>
      Object.entries(architecture.presets).map(([preset, config]) => {
        const shapes = architecture.compare(received, config);
        return { fit: fitOf([architecture.name, preset], shapes, received), size: shapes.wanted.size };
      }),
    )
    .filter(({ fit, size }) => fit.missing.length < size / 2)
    .map(({ fit }) => fit);
  return fits.sort((a, b) => differences(a) - differences(b))[0] ?? null;
}

function differences({ missing, surplus, misshapen }: WeightsFit): number {
  return missing.length + surplus.length + misshapen.length;
}

function fitOf(
  [architecture, preset]: readonly [string, string],
  { wanted, official }: { readonly wanted: Shapes; readonly official: Shapes },
  received: Shapes,
): WeightsFit {
  const missing = [...wanted.keys()].filter((name) => !official.has(name));
  const misshapen = [...wanted].flatMap(([name, shape]) => {
    const found = official.get(name);
    return found === undefined || sameShape(found, shape) ? [] : [{ name, received: found, wanted: shape }];
  });
  return {
    architecture,
    preset,
    naming: [...official.keys()].some((name) => !received.has(name)) ? 'translated' : 'official',
    missing,
    surplus: [...official.keys()].filter((name) => !wanted.has(name)),
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
