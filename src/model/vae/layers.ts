/**
 * The VAE as data: the layers of encoder and decoder in call order, each with its official name and the shapes of its
 * parameters. Source: Wan2.1 wan/modules/vae.py (`Encoder3d`, `Decoder3d`).
 */
import type { Shapes } from '../../nn/index.ts';
import type { VaeConfig } from './config.ts';

/** What a layer computes; its arithmetic is in apply.ts. */
export type VaeLayerKind =
  | 'conv'
  | 'pointwise'
  | 'residual'
  | 'attention'
  | 'head'
  | 'downsample2d'
  | 'downsample3d'
  | 'upsample2d'
  | 'upsample3d';

/** One layer: its kind, its prefix in the checkpoint, and its channels. */
export interface VaeLayer {
  readonly kind: VaeLayerKind;
  readonly name: string;
  readonly in: number;
  readonly out: number;
}

/** Layers of the encoder, pixels to the 2·z channels of mean and log-variance. */
export function encoderLayers(config: VaeConfig): VaeLayer[] {
  const { dim, z_dim } = config;
  const widths = config.dim_mult.map((mult) => dim * mult);
  const top = widths.at(-1)!;
  return [
    { kind: 'conv', name: 'encoder.conv1', in: pixelChannels(config), out: dim },
    ...numbered('encoder.downsamples', encoderLevels(config, [dim, ...widths])),
    ...middle('encoder.middle', top),
    { kind: 'head', name: 'encoder.head', in: top, out: 2 * z_dim },
    { kind: 'pointwise', name: 'conv1', in: 2 * z_dim, out: 2 * z_dim },
  ];
}

/** Layers of the decoder, latents to pixels. */
export function decoderLayers(config: VaeConfig): VaeLayer[] {
  const { dim, z_dim } = config;
  const widths = config.dim_mult.map((mult) => dim * mult).reverse();
  const top = widths[0]!;
  return [
    { kind: 'pointwise', name: 'conv2', in: z_dim, out: z_dim },
    { kind: 'conv', name: 'decoder.conv1', in: z_dim, out: top },
    ...middle('decoder.middle', top),
    ...numbered('decoder.upsamples', decoderLevels(config, [top, ...widths])),
    { kind: 'head', name: 'decoder.head', in: widths.at(-1)!, out: pixelChannels(config) },
  ];
}

/** Channels of a picture as the networks see it: the colours of a square of pixels. */
function pixelChannels({ patch_size = 1 }: VaeConfig): number {
  return 3 * patch_size ** 2;
}

type Unnamed = Omit<VaeLayer, 'name'>;

function numbered(prefix: string, layers: readonly Unnamed[]): VaeLayer[] {
  return layers.map((layer, i) => ({ ...layer, name: `${prefix}.${i}` }));
}

function middle(prefix: string, width: number): VaeLayer[] {
  const kinds = ['residual', 'attention', 'residual'] as const;
  return numbered(
    prefix,
    kinds.map((kind) => ({ kind, in: width, out: width })),
  );
}

function encoderLevels(config: VaeConfig, widths: readonly number[]): Unnamed[] {
  return config.temperal_downsample.concat(false).flatMap((temporal, level, { length }) => {
    const [from, to] = [widths[level]!, widths[level + 1]!];
    const blocks = residuals(config.num_res_blocks, from, to, config.attn_scales.includes(2 ** -level));
    const down: Unnamed = { kind: temporal ? 'downsample3d' : 'downsample2d', in: to, out: to };
    return level < length - 1 ? [...blocks, down] : blocks;
  });
}

function decoderLevels(config: VaeConfig, widths: readonly number[]): Unnamed[] {
  const upsampling = [...config.temperal_downsample].reverse();
  return widths.slice(1).flatMap((to, level) => {
    const from = level === 0 ? widths[0]! : widths[level]! / 2; // each upsampling halves the channels
    const scale = 2 ** (level - upsampling.length);
    const blocks = residuals(config.num_res_blocks + 1, from, to, config.attn_scales.includes(scale));
    const temporal = upsampling[level];
    if (temporal === undefined) return blocks;
    return [...blocks, { kind: temporal ? 'upsample3d' : 'upsample2d', in: to, out: to / 2 } satisfies Unnamed];
  });
}

function residuals(count: number, from: number, to: number, attends: boolean): Unnamed[] {
  return Array.from({ length: count }, (_, i) => i).flatMap((i) => {
    const block: Unnamed = { kind: 'residual', in: i === 0 ? from : to, out: to };
    return attends ? [block, { kind: 'attention', in: to, out: to } satisfies Unnamed] : [block];
  });
}

type ShapeRecord = Record<string, readonly number[]>;

type Cube = readonly [frames: number, height: number, width: number];
const square = [3, 3] as const;

/** Parameters of each kind of layer by their names below the layer's prefix; `cube` is what a causal convolution sees. */
const parameters: Record<VaeLayerKind, (layer: VaeLayer, cube: Cube) => ShapeRecord> = {
  conv: (l, cube) => affine('', [l.out, l.in, ...cube]),
  pointwise: (l) => affine('', [l.out, l.in, 1, 1, 1]),
  residual: (l, cube) => ({
    'residual.0.gamma': [l.in, 1, 1, 1],
    ...affine('residual.2.', [l.out, l.in, ...cube]),
    'residual.3.gamma': [l.out, 1, 1, 1],
    ...affine('residual.6.', [l.out, l.out, ...cube]),
    ...(l.in === l.out ? {} : affine('shortcut.', [l.out, l.in, 1, 1, 1])),
  }),
  attention: (l) => ({
    'norm.gamma': [l.in, 1, 1],
    ...affine('to_qkv.', [3 * l.in, l.in, 1, 1]),
    ...affine('proj.', [l.in, l.in, 1, 1]),
  }),
  head: (l, cube) => ({ '0.gamma': [l.in, 1, 1, 1], ...affine('2.', [l.out, l.in, ...cube]) }),
  downsample2d: (l) => affine('resample.1.', [l.out, l.in, ...square]),
  downsample3d: (l) => ({
    ...affine('resample.1.', [l.out, l.in, ...square]),
    ...affine('time_conv.', [l.out, l.out, 3, 1, 1]),
  }),
  upsample2d: (l) => affine('resample.1.', [l.out, l.in, ...square]),
  upsample3d: (l) => ({
    ...affine('resample.1.', [l.out, l.in, ...square]),
    ...affine('time_conv.', [2 * l.in, l.in, 3, 1, 1]),
  }),
};

/** Shape of each parameter of the VAE by its official name; what a checkpoint must hold. */
export function vaeShapes(config: VaeConfig): Shapes {
  const layers = [...encoderLayers(config), ...decoderLayers(config)];
  const cube: Cube = [config.kernel_frames ?? 3, ...square];
  return new Map(
    layers.flatMap((layer) =>
      Object.entries(parameters[layer.kind](layer, cube)).map(
        ([name, shape]) => [`${layer.name}.${name}`, shape] as const,
      ),
    ),
  );
}

function affine(prefix: string, weight: readonly number[]): ShapeRecord {
  return { [`${prefix}weight`]: weight, [`${prefix}bias`]: weight.slice(0, 1) };
}
