/** Configurations from the shapes of weights, where no file says them. */
import { readJsonObject } from '../../io/index.ts';
import type { Shapes } from '../../nn/index.ts';
import { sameShape } from '../../nn/internal.ts';
import { type VaeConfig, vae, vaeConfig, vaePresets, vaeShapes } from '../vae/index.ts';
import { type WanConfig, type WanPreset, wan, wanConfig, wanPresets, wanShapes } from '../wan/index.ts';

/** A transformer's file as it was recognised. */
export interface RecognisedWan {
  /** Null for sizes that are none of the presets'. */
  readonly preset: WanPreset | null;
  readonly config: WanConfig;
  /** The file's name of each weight by its official name. */
  readonly places: ReadonlyMap<string, string>;
}

/** What is known of a transformer beside its shapes. */
export interface KnownOfWan {
  readonly preset?: WanPreset | undefined;
  /** Content of a config.json, official or diffusers. */
  readonly json?: Readonly<Record<string, unknown>> | undefined;
  /** Keys that win over everything else. */
  readonly config?: Partial<WanConfig> | undefined;
}

/**
 * Configuration and names of a transformer's file. Sizes come from the preset that is asked for, else from the
 * shapes; heads and text length, which no shape shows, from config.json or from the preset of the same shapes, which also
 * has the causal keys that no official file mentions.
 *
 * @throws RangeError for image-to-video models and for files that are no Wan transformer, or whose heads are unknown.
 */
export function recogniseWan(file: Shapes, { preset, json, config }: KnownOfWan): RecognisedWan {
  const numbers = [...file.keys()].map((name) => /(?:^|\.)blocks\.(\d+)\./.exec(name)?.[1]);
  const layers = new Set(numbers.filter((number) => number !== undefined)).size;
  const places = placesOf(file, wan.officialName({ ...wanPresets.tiny, num_layers: layers }));
  const shapes = new Map([...places].map(([name, place]) => [name, file.get(place)!]));
  refuseImages(shapes);
  const near = preset ?? presetOf(shapes);
  if (preset !== undefined) return { preset, config: wanConfig({ ...wanPresets[preset], ...config }), places };
  const sizes = sizesOf(shapes, layers);
  const base = near === null ? json : { ...wanPresets[near], ...json };
  if (base === undefined && config?.num_heads === undefined) {
    const known = Object.keys(wanPresets).join(', ');
    throw new RangeError(
      `the transformer's sizes are those of no preset (${known}) and there is no config.json: give config.num_heads`,
    );
  }
  return { preset: near, config: wanConfig({ ...withoutSizes(base ?? {}), ...sizes, ...config }), places };
}

/** The file's names by official ones; those that the network does not read are left out. */
function placesOf(file: Shapes, official: (name: string) => string | null): Map<string, string> {
  const places = new Map<string, string>();
  for (const name of file.keys()) {
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

/**
 * Configuration of a VAE: diffusers' config.json, else the preset whose shapes the file has.
 *
 * @throws RangeError if neither is known.
 */
export async function recogniseVae(shapes: Shapes, path: string, configFile: string | null): Promise<VaeConfig> {
  if (configFile !== null) {
    const { base_dim, ...rest } = await readJsonObject(configFile);
    const known = Object.entries({ ...rest, ...(base_dim !== undefined && { dim: base_dim }) });
    return vaeConfig(Object.fromEntries(known.filter(([key]) => key in vaePresets['wan2.1'])));
  }
  for (const config of Object.values(vaePresets)) {
    const official = vae.officialName(config);
    if (sameShapes(vaeShapes(config), new Map([...shapes].map(([name, shape]) => [official(name) ?? '', shape]))))
      return config;
  }
  const known = Object.keys(vaePresets).join(', ');
  throw new RangeError(`${path}: the sizes are those of no VAE preset (${known}); lay a vae/config.json beside it`);
}
