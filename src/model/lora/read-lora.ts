/** LoRA files as changes of a network's weights, with everything checked that others load silently without effect. */
import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { type HostTensor, openSafetensors, toFloat32 } from '../../io/index.ts';
import { elementCount } from '../../io/internal.ts';
import type { Architecture } from '../../nn/index.ts';
import { type Change, type Changes, changeName, checkFinite, factorsOf, sameShape } from '../../nn/internal.ts';
import { type Checkpoint, openCheckpoint } from '../checkpoint/checkpoint.ts';
import { type LoraPart, loraKey, type ModuleTable, moduleTable, otherKind } from './names.ts';
import { type ScaleOf, scalesBeside } from './peft-config.ts';

/** A LoRA as it lies in a file. */
export interface LoraContent {
  readonly path: string;
  readonly changes: Changes;
  /** Factors and differences under the names that an adapter gives its variables. */
  readonly tensors: readonly (readonly [string, HostTensor])[];
  /** Modules of the file that the network has not, and keys that are nothing of a LoRA. */
  readonly unfit: readonly string[];
}

export interface ReadLoraOptions {
  /** An `adapter_config.json` that says how often changes count. @defaultValue the header, else the one beside the file */
  readonly config?: string;
  /** Key of a saved dictionary: `critic_lora`. @defaultValue `generator_lora`, else all */
  readonly part?: string;
}

/**
 * Reads a LoRA file for a network, in any of the namings of diffusers, PEFT, ComfyUI, kohya and LongLive.
 *
 * @throws RangeError for a file of which nothing fits, for matrices that fit neither each other nor their weight, values
 * that are no numbers, a module given twice, and other kinds of adapters.
 */
export async function readLora<Config>(
  given: string,
  { architecture, config }: { architecture: Architecture<Config>; config: Config },
  options: ReadLoraOptions = {},
): Promise<LoraContent> {
  const path = await filePath(given);
  const { part } = options;
  const file = await openCheckpoint(path, part === undefined ? {} : { part });
  const table = moduleTable(architecture, config);
  const { groups, unfit } = grouped(file, table);
  if (groups.size === 0) throw new RangeError(`${path}: ${nothingFits(file, unfit, architecture.name)}`);
  const metadata = file.format === 'safetensors' ? (await openSafetensors(path)).metadata : new Map<string, string>();
  const beside = await scalesBeside(path, metadata, options.config);
  const scaleOf: ScaleOf = (module, rank) => beside(table.bare(module), rank);
  const shapes = architecture.shapes(config);
  const changes = new Map<string, Change[]>();
  const tensors: (readonly [string, HostTensor])[] = [];
  for (const [weight, group] of groups) {
    const made = await changesOf(file, { weight, group, shape: shapes.get(weight)!, scaleOf });
    changes.set(weight, made.changes);
    tensors.push(...made.tensors);
  }
  return { path, changes, tensors, unfit };
}

/** PEFT's folder stands for the file in it. */
async function filePath(path: string): Promise<string> {
  const isFolder = (await stat(path).catch(() => null))?.isDirectory() ?? false;
  return isFolder ? join(path, 'adapter_model.safetensors') : path;
}

/** Keys of the file for one weight, and the module's name there. */
interface Group {
  readonly module: string;
  readonly keys: Map<LoraPart, string>;
}

function grouped(file: Checkpoint, table: ModuleTable): { groups: Map<string, Group>; unfit: string[] } {
  const groups = new Map<string, Group>();
  const unfit = new Set<string>();
  for (const key of file.names()) {
    const kind = otherKind(key);
    if (kind !== null)
      throw new RangeError(`${file.path}: ${key} belongs to ${kind}, another kind of adapter; only LoRA is read`);
    const found = loraKey(key);
    const weight = found && table.weightOf(found);
    if (found === null || weight === null) {
      unfit.add(found?.module ?? key);
      continue;
    }
    const group: Group = groups.get(weight) ?? { module: found.module, keys: new Map() };
    const other = group.keys.get(found.part);
    if (other !== undefined) {
      throw new RangeError(
        `${file.path}: ${other} and ${key} both change ${weight}: leave one of them out of the file`,
      );
    }
    group.keys.set(found.part, key);
    groups.set(weight, group);
  }
  return { groups, unfit: [...unfit] };
}

function nothingFits(file: Checkpoint, unfit: readonly string[], architecture: string): string {
  const isLora = file.names().some((key) => loraKey(key) !== null);
  const some = `${unfit.slice(0, 6).join(', ')}${unfit.length > 6 ? `, and ${unfit.length - 6} more` : ''}`;
  if (!isLora)
    return `no LoRA is in it, only ${some || 'nothing'}; wanted keys such as X.lora_A.weight and X.lora_B.weight`;
  return `none of its modules is one of the ${architecture} (${some}): it is a LoRA of another model`;
}

interface Wanted {
  readonly weight: string;
  readonly group: Group;
  readonly shape: readonly number[];
  readonly scaleOf: ScaleOf;
}

interface Made {
  readonly changes: Change[];
  readonly tensors: (readonly [string, HostTensor])[];
}

async function changesOf(file: Checkpoint, wanted: Wanted): Promise<Made> {
  const { weight, group, shape } = wanted;
  const made: Made = { changes: [], tensors: [] };
  if (['down', 'up', 'alpha'].some((part) => group.keys.has(part as LoraPart))) {
    const factors = await factorsIn(file, wanted);
    made.changes.push(factorsOf(weight, factors.scale));
    made.tensors.push([changeName(weight, 'lora_A'), factors.down], [changeName(weight, 'lora_B'), factors.up]);
  }
  const differences = (['diff', 'diff_b', 'diff_m'] as const).flatMap((part) => group.keys.get(part) ?? []);
  if (differences.length > 1) {
    throw new RangeError(
      `${file.path}: ${differences.join(' and ')} both change ${weight}: leave one of them out of the file`,
    );
  }
  for (const key of differences) {
    const found = file.info(key).shape;
    if (!sameShape(found, shape)) {
      throw new RangeError(`${file.path}: ${key} has shape [${found}], wanted that of ${weight}, [${shape}]`);
    }
    const name = changeName(weight, 'diff');
    made.changes.push({ kind: 'difference', name });
    made.tensors.push([name, await finiteTensor(file, key)]);
  }
  return made;
}

async function factorsIn(
  file: Checkpoint,
  { weight, group, shape, scaleOf }: Wanted,
): Promise<{ down: HostTensor; up: HostTensor; scale: number }> {
  const { path } = file;
  const key = (part: LoraPart): string => {
    const found = group.keys.get(part);
    if (found !== undefined) return found;
    const there = [...group.keys.values()].join(', ');
    throw new RangeError(
      `${path}: ${weight} has ${there}, but not its ${part === 'down' ? 'lora_A' : 'lora_B'}: the file is incomplete`,
    );
  };
  const [down, up] = [file.info(key('down')).shape, file.info(key('up')).shape];
  const [out = 1, ...rest] = shape;
  const rank = down[0] ?? 0;
  const isRight =
    down.length >= 2 &&
    up.length >= 2 &&
    rank > 0 &&
    up[1] === rank &&
    up[0] === out &&
    elementCount(down) === rank * elementCount(rest) &&
    elementCount(up) === out * rank;
  if (!isRight) {
    const wanted = `A [rank, ${rest}] and B [${out}, rank] of one rank above 0`;
    throw new RangeError(
      `${path}: ${group.module} has A [${down}] and B [${up}], wanted ${wanted} for ${weight} [${shape}]`,
    );
  }
  const alpha = group.keys.get('alpha');
  const scale = alpha === undefined ? scaleOf(group.module, rank) : (await alphaIn(file, alpha)) / rank;
  return { down: await finiteTensor(file, key('down')), up: await finiteTensor(file, key('up')), scale };
}

async function alphaIn(file: Checkpoint, key: string): Promise<number> {
  const count = elementCount(file.info(key).shape);
  if (count !== 1) throw new RangeError(`${file.path}: ${key} has ${count} values, wanted one`);
  const [value = Number.NaN] = toFloat32(await file.read(key));
  if (Number.isFinite(value) && value !== 0) return value;
  const why = value === 0 ? 'some programs take that as no effect, others as alpha = rank' : 'the file is damaged';
  throw new RangeError(`${file.path}: ${key} is ${value}, wanted a number other than 0: ${why}`);
}

async function finiteTensor(file: Checkpoint, key: string): Promise<HostTensor> {
  const tensor = await file.read(key);
  checkFinite(key, tensor);
  return tensor;
}
