/** A Wan2.1 transformer and VAE recognised by the shapes of their weights, and the transformer's weights wherever they are to be. */
import { type HostTensor, hostTensor, readJsonObject, toFloat32 } from '../../io/index.ts';
import { toBfloat16 } from '../../io/internal.ts';
import type { Net, Shapes, Weights } from '../../nn/index.ts';
import { checkFinite, checkShapes, copiesUploads, loraOf, loraText, sameShape } from '../../nn/internal.ts';
import { type Checkpoint, openCheckpoint } from '../checkpoint/checkpoint.ts';
import { vae } from '../vae/codec.ts';
import { type VaeConfig, vaeConfig, vaePresets } from '../vae/config.ts';
import { vaeShapes } from '../vae/layers.ts';
import { type WanConfig, type WanPreset, wanConfig, wanPresets } from '../wan/config.ts';
import { wan } from '../wan/pass.ts';
import { type SwappedWan, swappedWan } from '../wan/swapped.ts';
import { wanShapes } from '../wan/weights.ts';

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

/** What is known of an open model without its weights. */
export interface KnownWan {
  /** Null for sizes that are none of the presets'. */
  readonly preset: WanPreset | null;
  readonly blocks: BlockPlace;
}

/** An open transformer. */
export interface OpenedTransformer extends KnownWan {
  readonly net: Net<WanConfig, Weights | SwappedWan>;
}

/**
 * Opens the transformer's file alone: safetensors, its index, or a training checkpoint.
 *
 * @throws Error listing the weights that do not fit by their official names, before any tensor is read.
 */
export async function openWanTransformer(
  path: string,
  options: WanTransformerOptions = {},
): Promise<OpenedTransformer> {
  const { blocks = 'resident' } = options;
  const recognised = await recogniseTransformer(path, options);
  return { preset: recognised.preset, blocks, net: await loadBlocks(recognised, blocks) };
}

/** A transformer's file as it was recognised. */
export interface RecognisedWan extends Pick<KnownWan, 'preset'> {
  readonly file: Checkpoint;
  readonly config: WanConfig;
  /** The file's name of each weight by its official name. */
  readonly places: ReadonlyMap<string, string>;
}

/**
 * What a transformer's file holds, with names and shapes checked; no tensor is read. Sizes come from the preset that is
 * asked for, else from the shapes; heads and text length, which no shape shows, from config.json or from the preset of
 * the same shapes, which also has the causal keys that no official file mentions.
 *
 * @throws RangeError for image-to-video models and for files that are no Wan transformer, or whose heads are unknown.
 */
export async function recogniseTransformer(path: string, options: WanTransformerOptions): Promise<RecognisedWan> {
  const { part } = options;
  const file = await openCheckpoint(path, part === undefined ? {} : { part });
  const lora = loraOf(file.shapes());
  if (lora !== null) throw new RangeError(`${path} is ${loraText(lora)}`);
  const json = options.configFile == null ? undefined : await readJsonObject(options.configFile);
  const layers = new Set(file.names().map((name) => /(?:^|\.)blocks\.(\d+)\./.exec(name)?.[1]));
  layers.delete(undefined);
  const places = placesOf(file.names(), wan.officialName({ ...wanPresets.tiny, num_layers: layers.size }));
  const shapes: Shapes = new Map([...places].map(([name, place]) => [name, file.info(place).shape]));
  refuseImages(shapes);
  const preset = options.preset ?? presetOf(shapes);
  const isAsked = options.preset !== undefined;
  const sizes = isAsked ? {} : sizesOf(shapes, layers.size);
  const base = preset === null ? json : { ...wanPresets[preset], ...(!isAsked && json) };
  if (base === undefined && options.config?.num_heads === undefined) {
    const known = Object.keys(wanPresets).join(', ');
    throw new RangeError(
      `the transformer's sizes are those of no preset (${known}) and there is no config.json: give config.num_heads`,
    );
  }
  const config = wanConfig({ ...withoutSizes(base ?? {}), ...sizes, ...options.config });
  checkShapes(shapes, wanShapes(config), file.path);
  return { file, preset, config, places };
}

/** The file's names by official ones; those that the network does not read are left out. */
function placesOf(names: readonly string[], official: (name: string) => string | null): Map<string, string> {
  const places = new Map<string, string>();
  for (const name of names) {
    const found = official(name);
    if (found === null) continue;
    const other = places.get(found);
    if (other !== undefined) throw new RangeError(`${other} and ${name} both stand for ${found}: remove one of them`);
    places.set(found, name);
  }
  return places;
}

/** Keys of diffusers that the shapes say, or that belong to image-to-video. */
const shapeKeys = ['in_channels', 'out_channels', 'attention_head_dim', 'image_dim', 'added_kv_proj_dim'];
const unread = new Set([...shapeKeys, 'rope_max_seq_len', 'pos_embed_seq_len', 'num_attention_heads']);

/** What a config.json says beside the shapes. */
function withoutSizes(json: Readonly<Record<string, unknown>>): Record<string, unknown> {
  const kept = Object.fromEntries(Object.entries(json).filter(([key]) => !unread.has(key)));
  const heads = json['num_attention_heads'];
  return heads === undefined ? kept : { ...kept, num_heads: heads };
}

function sizesOf(shapes: Shapes, num_layers: number): Partial<WanConfig> {
  const shape = (name: string): readonly number[] => {
    const found = shapes.get(name);
    if (found === undefined) throw new RangeError(`the weights hold no ${name}: this is not a Wan transformer`);
    return found;
  };
  const [dim = 0, in_dim = 0, time = 0, height = 0, width = 0] = shape('patch_embedding.weight');
  return {
    dim,
    in_dim,
    num_layers,
    patch_size: [time, height, width],
    text_dim: shape('text_embedding.0.weight')[1]!,
    freq_dim: shape('time_embedding.0.weight')[1]!,
    ffn_dim: shape('blocks.0.ffn.0.weight')[0]!,
    out_dim: shape('head.head.weight')[0]! / (time * height * width),
  };
}

function presetOf(shapes: Shapes): WanPreset | null {
  const presets = Object.keys(wanPresets) as WanPreset[];
  return presets.find((preset) => sameShapes(wanShapes(wanPresets[preset]), shapes)) ?? null;
}

/** Whether all wanted weights are there in their shapes. */
function sameShapes(wanted: Shapes, received: Shapes): boolean {
  return [...wanted].every(([name, shape]) => sameShape(received.get(name) ?? [], shape));
}

function refuseImages(shapes: Shapes): void {
  const isImage = [...shapes.keys()].some((name) => /^img_emb\.|^condition_embedder\.image_embedder\./.test(name));
  if (isImage || shapes.get('patch_embedding.weight')?.[1] === 36) {
    throw new RangeError('this is an image-to-video transformer, which is not supported: use a T2V model');
  }
}

/** Configuration of a VAE: diffusers' config.json, else the preset whose shapes the file has; else a RangeError. */
export async function recogniseVae(shapes: Shapes, path: string, configFile: string | null): Promise<VaeConfig> {
  if (configFile !== null) {
    const { base_dim, ...rest } = await readJsonObject(configFile);
    const known = Object.entries({ ...rest, ...(base_dim !== undefined && { dim: base_dim }) });
    return vaeConfig(Object.fromEntries(known.filter(([key]) => key in vaePresets['wan2.1'])));
  }
  for (const config of Object.values(vaePresets)) {
    const official = vae.officialName(config);
    const named = new Map([...shapes].map(([name, shape]) => [official(name) ?? '', shape]));
    if (sameShapes(vaeShapes(config), named)) return config;
  }
  const known = Object.keys(vaePresets).join(', ');
  throw new RangeError(`${path}: the sizes are those of no VAE preset (${known}); lay a vae/config.json beside it`);
}

async function loadBlocks(
  { file, config, places }: RecognisedWan,
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
