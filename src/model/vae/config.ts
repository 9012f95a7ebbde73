/**
 * Sizes of the Wan causal video VAE and the statistics that normalise its latents, in the official constructor's names.
 * Source: Wan2.1 wan/modules/vae.py (`WanVAE_`), constants of `WanVAE`.
 */
export interface VaeConfig {
  /**
   * Side of the squares of pixels that stand in one another's channels between the networks and the video, as in Wan2.2's
   * VAE (2 there). @defaultValue 1, as in Wan2.1
   */
  readonly patch_size?: number;
  /**
   * Frames that a convolution sees: its own and those before it. 1 codes every frame as a picture of its own, which
   * `inflate` makes one of clips. @defaultValue 3
   */
  readonly kernel_frames?: 1 | 3;
  /** Channels of the first level. */
  readonly dim: number;
  /** Channels of a latent. */
  readonly z_dim: number;
  /** Channel multiplier of each level; the spatial stride is patch_size·2^(levels − 1). */
  readonly dim_mult: readonly number[];
  /** Residual blocks per encoder level; the decoder has one more. */
  readonly num_res_blocks: number;
  /** Scales (1, 1/2, 1/4, ...) whose levels carry attention after each residual block. */
  readonly attn_scales: readonly number[];
  /** Whether each of the `levels − 1` downsamplings also halves time (official spelling). */
  readonly temperal_downsample: readonly boolean[];
  /** Kept for official files; evaluation never drops. */
  readonly dropout: number;
  /** Mean of each latent channel: normalised latent = (μ − mean) / std. */
  readonly latents_mean: readonly number[];
  /** Standard deviation of each latent channel. */
  readonly latents_std: readonly number[];
}

const wan: VaeConfig = {
  dim: 96,
  z_dim: 16,
  dim_mult: [1, 2, 4, 4],
  num_res_blocks: 2,
  attn_scales: [],
  dropout: 0,
  temperal_downsample: [false, true, true],
  latents_mean: [
    -0.7571, -0.7089, -0.9113, 0.1075, -0.1745, 0.9653, -0.1517, 1.5508, 0.4134, -0.0715, 0.5517, -0.3632, -0.1922,
    -0.9497, 0.2503, -0.2921,
  ],
  latents_std: [
    2.8184, 1.4541, 2.3275, 2.6558, 1.2196, 1.7708, 2.6052, 2.0743, 3.2687, 2.1526, 2.8652, 1.5579, 1.6382, 1.1253,
    2.8251, 1.916,
  ],
};

/** Names of the presets. */
export type VaePreset = 'wan2.1' | 'study' | 'tiny';

/** Named configurations: `wan2.1` is the published VAE, `study` the small scale (stride 4×4×4), `tiny` for tests. */
export const vaePresets: Readonly<Record<VaePreset, VaeConfig>> = {
  'wan2.1': wan,
  study: vaeConfig({ dim: 8, z_dim: 8, dim_mult: [1, 2, 4], num_res_blocks: 1, temperal_downsample: [true, true] }),
  tiny: vaeConfig({ dim: 4, z_dim: 4, dim_mult: [1, 2], num_res_blocks: 1, temperal_downsample: [true] }),
};

/**
 * Completes and checks a configuration, for example the content of a `config.json`.
 * Missing sizes are Wan2.1's; missing statistics mean latents that are not normalised (mean 0, std 1).
 *
 * @throws RangeError naming the field, what it holds and what it must hold.
 */
export function vaeConfig(fields: Partial<VaeConfig> = {}): VaeConfig {
  const z = fields.z_dim ?? wan.z_dim;
  const published = fields.latents_mean === undefined && fields.latents_std === undefined && z === wan.z_dim;
  const identity = { latents_mean: Array(z).fill(0), latents_std: Array(z).fill(1) };
  const config: VaeConfig = { ...wan, ...(published ? {} : identity), ...fields };
  checkSizes(config);
  checkStatistics(config);
  return config;
}

/** Pixels per latent along each axis: time, height, width. */
export function vaeStrides(config: VaeConfig): { readonly time: number; readonly space: number } {
  const halvings = config.temperal_downsample.filter(Boolean).length;
  return { time: 2 ** halvings, space: (config.patch_size ?? 1) * 2 ** (config.dim_mult.length - 1) };
}

/** Shape of the latents of a video: F pixel frames give 1 + ⌊(F − 1)/stride⌋ latent frames. */
export function latentShape(
  config: VaeConfig,
  video: { readonly frames: number; readonly height: number; readonly width: number },
): { readonly frames: number; readonly height: number; readonly width: number; readonly channels: number } {
  const { time, space } = vaeStrides(config);
  const frames = 1 + Math.floor((video.frames - 1) / time);
  return { frames, height: video.height / space, width: video.width / space, channels: config.z_dim };
}

function checkSizes(config: VaeConfig): void {
  for (const field of ['dim', 'z_dim', 'num_res_blocks'] as const) checkCount(field, config[field]);
  if (config.patch_size !== undefined) checkCount('patch_size', config.patch_size);
  checkKernel(config);
  for (const mult of config.dim_mult) checkCount('dim_mult', mult);
  const levels = config.dim_mult.length;
  if (config.temperal_downsample.length !== levels - 1) {
    throw new RangeError(
      `VaeConfig.temperal_downsample has ${config.temperal_downsample.length} entries; ` +
        `${levels} levels in dim_mult need ${levels - 1}, one for each step between levels`,
    );
  }
  const odd = config.dim_mult.slice(1).find((mult) => (config.dim * mult) % 2 !== 0);
  if (odd === undefined) return;
  throw new RangeError(`VaeConfig.dim × dim_mult = ${config.dim * odd} is odd; upsampling halves the channels`);
}

function checkKernel({ kernel_frames: frames = 3, temperal_downsample }: VaeConfig): void {
  if (frames !== 1 && frames !== 3) {
    throw new RangeError(`VaeConfig.kernel_frames holds ${frames}; it must be 3, or 1 for pictures`);
  }
  if (frames === 1 && temperal_downsample.includes(true)) {
    throw new RangeError('VaeConfig.temperal_downsample holds true; with kernel_frames 1 no level can halve time');
  }
}

function checkCount(field: string, value: number): void {
  if (Number.isInteger(value) && value >= 1) return;
  throw new RangeError(`VaeConfig.${field} holds ${value}; it must hold positive whole numbers`);
}

function checkStatistics(config: VaeConfig): void {
  for (const field of ['latents_mean', 'latents_std'] as const) {
    const values = config[field];
    const isStd = field === 'latents_std';
    const good = values.every((value) => Number.isFinite(value) && !(isStd && value <= 0));
    if (values.length === config.z_dim && good) continue;
    const wanted = `z_dim = ${config.z_dim} finite numbers${isStd ? ' above 0' : ''}`;
    throw new RangeError(`VaeConfig.${field} must hold ${wanted}, got [${values.join(', ')}]`);
  }
}
