/**
 * Sizes of the Wan2.1 diffusion transformer and how its causal form sees the past, in the keys of the official
 * config.json. Source: Wan2.1 wan/modules/model.py (`WanModel`) and wan/configs; causal keys from Self-Forcing
 * wan/modules/causal_model.py (`CausalWanModel`).
 */
export interface WanConfig {
  /** Width D of the residual stream. */
  readonly dim: number;
  /** Hidden width of the feed-forward layers. */
  readonly ffn_dim: number;
  /** Width of the sinusoidal timestep embedding. */
  readonly freq_dim: number;
  /** Width of a text token. */
  readonly text_dim: number;
  /** Text tokens attended to; shorter texts are padded with zero rows. */
  readonly text_len: number;
  readonly num_heads: number;
  readonly num_layers: number;
  /** Latent channels read. */
  readonly in_dim: number;
  /** Latent channels predicted. */
  readonly out_dim: number;
  /** Latent cells of a token along time, height, width. */
  readonly patch_size: readonly [number, number, number];
  /** Of every normalisation. */
  readonly eps: number;
  /** Base of the rotary frequencies; 10000 in all published models, less suits short axes. */
  readonly rope_theta: number;
  /** Causal: token frames that are denoised together. */
  readonly num_frame_per_block: number;
  /** Causal: token frames that a block sees, itself included; -1 for all before it. */
  readonly local_attn_size: number;
  /** Causal: first token frames that a rolling cache keeps. */
  readonly sink_size: number;
  /** Causal: the first frame is a block of its own. */
  readonly independent_first_frame: boolean;
}

const published: Omit<WanConfig, 'dim' | 'ffn_dim' | 'num_heads' | 'num_layers'> = {
  freq_dim: 256,
  text_dim: 4096,
  text_len: 512,
  in_dim: 16,
  out_dim: 16,
  patch_size: [1, 2, 2],
  eps: 1e-6,
  rope_theta: 10000,
  num_frame_per_block: 3,
  local_attn_size: -1,
  sink_size: 0,
  independent_first_frame: false,
};

/** Keys of published configurations that change nothing here, with the only value that is supported. */
const fixed: Readonly<Record<string, readonly unknown[]>> = {
  model_type: ['t2v', 't2i'],
  qk_norm: [true, 'rms_norm_across_heads'],
  cross_attn_norm: [true],
  window_size: [[-1, -1]],
};

/** Names of the presets. */
export type WanPreset = 'tiny' | 'study' | 'wan2.1-t2v-1.3b' | 'wan2.1-t2v-14b';

/** Configurations by name: `tiny` for tests, `study` for the small scale, the others as published. */
export const wanPresets: Readonly<Record<WanPreset, WanConfig>> = {
  tiny: {
    ...published,
    dim: 64,
    ffn_dim: 128,
    freq_dim: 32,
    text_dim: 24,
    text_len: 6,
    num_heads: 2,
    num_layers: 2,
    in_dim: 4,
    out_dim: 4,
    num_frame_per_block: 1,
  },
  study: {
    ...published,
    dim: 192,
    ffn_dim: 576,
    freq_dim: 128,
    text_dim: 64,
    text_len: 8,
    num_heads: 6,
    num_layers: 4,
    rope_theta: 100,
    num_frame_per_block: 1,
  },
  'wan2.1-t2v-1.3b': { ...published, dim: 1536, ffn_dim: 8960, num_heads: 12, num_layers: 30 },
  'wan2.1-t2v-14b': { ...published, dim: 5120, ffn_dim: 13824, num_heads: 40, num_layers: 40 },
};

/**
 * Shift of the noise levels and scale of guidance that are advised with a network: 8 and 6 for 1.3B, Wan's own 5 and 5
 * for 14B (Wan2.1 README.md, generate.py); other sizes are taken for small ones.
 */
export function advisedSampling({ dim }: WanConfig): { readonly shift: number; readonly guidanceScale: number } {
  const isLarge = dim === wanPresets['wan2.1-t2v-14b'].dim;
  return isLarge ? { shift: 5, guidanceScale: 5 } : { shift: 8, guidanceScale: 6 };
}

/**
 * Completes and checks a configuration, for example the content of an official or diffusers `config.json`. Missing keys take the values of the published models; `dim`, `ffn_dim`, `num_heads` and `num_layers` must be there.
 * Keys that start with `_` are ignored.
 *
 * @throws RangeError naming the key, what it holds and what it must hold; also for keys that are not known.
 * @example wanConfig({ dim: 64, ffn_dim: 128, num_heads: 2, num_layers: 2 })
 */
export function wanConfig(fields: Readonly<Record<string, unknown>> | Partial<WanConfig>): WanConfig {
  const given = Object.entries(officialKeys(fields)).filter(([key]) => !key.startsWith('_'));
  for (const [key, value] of given) checkKey(key, value);
  const known = given.filter(([key]) => !(key in fixed));
  const config = { ...published, ...Object.fromEntries(known) } as WanConfig;
  checkSizes(config);
  checkCausal(config);
  return config;
}

/** Translates the configuration keys of diffusers' `WanTransformer3DModel`; others pass. */
function officialKeys(fields: object): Record<string, unknown> {
  const { num_attention_heads: heads, attention_head_dim: width, ...rest } = fields as Record<string, unknown>;
  if (heads === undefined) return rest;
  const { in_channels, out_channels, image_dim, added_kv_proj_dim, pos_embed_seq_len, ...same } = rest;
  delete same['rope_max_seq_len'];
  if ((image_dim ?? added_kv_proj_dim ?? pos_embed_seq_len ?? null) !== null) {
    throw new RangeError('image_dim, pos_embed_seq_len: image-to-video models are not supported, wanted null');
  }
  const sizes = { num_heads: heads, dim: (heads as number) * (width as number), in_dim: in_channels };
  return { ...same, ...sizes, out_dim: out_channels };
}

function checkKey(key: string, value: unknown): void {
  if (key in fixed) {
    const allowed = fixed[key]!.map((option) => JSON.stringify(option));
    if (allowed.includes(JSON.stringify(value))) return;
    throw new RangeError(`${key}: received ${JSON.stringify(value)}, only ${allowed.join(' or ')} is supported`);
  }
  if (!(key in wanPresets.tiny)) {
    throw new RangeError(
      `${key}: not a key of a Wan configuration; known are ${Object.keys(wanPresets.tiny).join(', ')}`,
    );
  }
}

function checkSizes(config: WanConfig): void {
  const counts = ['dim', 'ffn_dim', 'freq_dim', 'text_dim', 'text_len', 'num_heads', 'num_layers', 'in_dim', 'out_dim'];
  for (const key of [...counts, 'num_frame_per_block'] as (keyof WanConfig)[]) wantCount(key, config[key]);
  if (!Array.isArray(config.patch_size) || config.patch_size.length !== 3) {
    throw new RangeError(`patch_size: wanted [time, height, width], received ${JSON.stringify(config.patch_size)}`);
  }
  for (const extent of config.patch_size) wantCount('patch_size', extent);
  if (config.dim % (2 * config.num_heads) !== 0) {
    throw new RangeError(`dim: wanted a multiple of 2 * num_heads (${2 * config.num_heads}), received ${config.dim}`);
  }
  if (config.freq_dim % 2 !== 0) throw new RangeError(`freq_dim: wanted an even number, received ${config.freq_dim}`);
  for (const key of ['eps', 'rope_theta'] as const) {
    if (!(config[key] > 0)) throw new RangeError(`${key}: wanted a positive number, received ${config[key]}`);
  }
}

function checkCausal({ num_frame_per_block: block, local_attn_size: local, sink_size: sink }: WanConfig): void {
  if (local !== -1 && !(Number.isInteger(local) && local >= block)) {
    throw new RangeError(`local_attn_size: wanted -1 or at least num_frame_per_block (${block}), received ${local}`);
  }
  if (!Number.isInteger(sink) || sink < 0 || (local !== -1 && sink + block > local)) {
    throw new RangeError(`sink_size: wanted a count >= 0 that leaves room for a block in the cache, received ${sink}`);
  }
}

function wantCount(key: string, value: unknown): void {
  if (Number.isInteger(value) && (value as number) >= 1) return;
  throw new RangeError(`${key}: wanted a whole number >= 1, received ${JSON.stringify(value)}`);
}
