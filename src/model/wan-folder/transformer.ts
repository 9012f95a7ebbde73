/** A Wan transformer from its file, with its weights wherever they are to be. */
import { type HostTensor, hostTensor, readJsonObject, toFloat32 } from '../../io/index.ts';
import { toBfloat16 } from '../../io/internal.ts';
import { checkShapes, type Net, type Shapes, type Weights } from '../../nn/index.ts';
import { checkFinite, copiesUploads, loraOf, loraText } from '../../nn/internal.ts';
import { type Checkpoint, openCheckpoint } from '../checkpoint/index.ts';
import { type SwappedWan, swappedWan, type WanConfig, type WanPreset, wan, wanShapes } from '../wan/index.ts';
import { type RecognisedWan, recogniseWan } from './recognise.ts';

/**
 * Where the weights of the transformer's blocks are between passes: on the engine in float32, in host memory as the
 * file has them (the file is mapped, so the system may drop what it can read again), in host memory in bfloat16, or
 * in the file alone. Of 1.3B these need 5.3, 5.5, 2.9 and 0.3 GiB.
 */
export type BlockPlace = 'resident' | 'host' | 'host-bfloat16' | 'file';

/** Options of {@link openWanTransformer}. */
export interface WanTransformerOptions {
  /** @defaultValue recognised from config.json and shapes */
  readonly preset?: WanPreset;
  /** Keys that win over the recognised ones, for example `{ local_attn_size: 12 }` of a causal student. */
  readonly config?: Partial<WanConfig>;
  /** Key of a training checkpoint. @defaultValue the averaged generator, else the generator */
  readonly part?: string;
  /** @defaultValue 'resident' */
  readonly blocks?: BlockPlace;
  /** Path of an official or diffusers config.json. */
  readonly configFile?: string | null;
}

/** An open transformer. */
export interface OpenedTransformer {
  /** Null for sizes that are none of the presets'. */
  readonly preset: WanPreset | null;
  readonly blocks: BlockPlace;
  readonly net: Net<WanConfig, Weights | SwappedWan>;
}

/**
 * Opens the transformer's file alone: safetensors, its index, or a training checkpoint. Names and shapes are checked
 * before any tensor is read.
 *
 * @throws Error listing the missing, surplus and misshapen weights by their official names.
 * @example await openWanTransformer('self_forcing_dmd.pt', { blocks: 'host-bfloat16' })
 */
export async function openWanTransformer(
  path: string,
  options: WanTransformerOptions = {},
): Promise<OpenedTransformer> {
  const { blocks = 'resident' } = options;
  const { file, ...recognised } = await recogniseTransformer(path, options);
  return { preset: recognised.preset, blocks, net: await loadBlocks(file, recognised, blocks) };
}

/** What a transformer's file holds, with names and shapes checked; no tensor is read. */
export async function recogniseTransformer(
  path: string,
  options: WanTransformerOptions,
): Promise<RecognisedWan & { readonly file: Checkpoint }> {
  const { part } = options;
  const file = await openCheckpoint(path, part === undefined ? {} : { part });
  const lora = loraOf(shapesOf(file));
  if (lora !== null) throw new RangeError(`${path} is ${loraText(lora)}`);
  const json = options.configFile == null ? undefined : await readJsonObject(options.configFile);
  const found = recogniseWan(shapesOf(file), { preset: options.preset, json, config: options.config });
  const { places, config } = found;
  const received = new Map([...places].map(([name, place]) => [name, file.info(place).shape]));
  checkShapes(received, wanShapes(config), file.path);
  return { ...found, file };
}

/** Shapes of the tensors of a file by its own names. */
export function shapesOf(file: Checkpoint): Shapes {
  return new Map(file.names().map((name) => [name, file.info(name).shape]));
}

async function loadBlocks(
  file: Checkpoint,
  { config, places }: RecognisedWan,
  blocks: BlockPlace,
): Promise<OpenedTransformer['net']> {
  const about = { origin: file.path };
  if (blocks === 'resident') {
    return wan.load(config, file.entries({ reuse: copiesUploads() }), { trainable: false, about });
  }
  if (blocks === 'file') return swappedWan(config, { read: (name) => file.map(places.get(name)!) }, about);
  const held = new Map<string, () => HostTensor>();
  for (const name of wanShapes(config).keys()) {
    held.set(name, await (blocks === 'host' ? inMemory : narrowed)(file, places.get(name)!, name));
  }
  return swappedWan(config, { read: (name) => held.get(name)!() }, about);
}

/** A tensor in the pages that the system keeps of the file anyway, all of which are read now. */
async function inMemory(file: Checkpoint, place: string, name: string): Promise<() => HostTensor> {
  const tensor = file.map(place);
  checkFinite(name, tensor);
  const isScaled = tensor.dtype !== file.info(place).dtype; // made of what the file has, and larger
  return isScaled ? () => file.map(place) : () => tensor;
}

/** Half the bytes of float32; what is narrow already stays as it is. */
async function narrowed(file: Checkpoint, place: string, name: string): Promise<() => HostTensor> {
  const tensor = await file.read(place);
  checkFinite(name, tensor);
  if (tensor.dtype !== 'float32' && tensor.dtype !== 'float64') return () => tensor;
  const halves = hostTensor('bfloat16', tensor.shape, toBfloat16(toFloat32(tensor)));
  return () => halves;
}
