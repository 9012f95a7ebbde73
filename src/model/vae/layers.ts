/**
 * The VAE as data: the layers of encoder and decoder in call order, each with its official name and the shapes of its
 * parameters, diffusers' names of these, and first values for them.
 * Source: Wan2.1 wan/modules/vae.py (`Encoder3d`, `Decoder3d`).
 */
import type { HostTensor } from '../../io/index.ts';
import type { Key, Shapes } from '../../nn/index.ts';
import { constant, fans } from '../../nn/internal.ts';
import { biased, type ShapeTree, shapesIn } from '../layers/layers.ts';
import type { VaeConfig } from './config.ts';

/** What a layer computes; its arithmetic is in apply.ts. */
export type VaeLayerKind =
  | ('conv' | 'pointwise' | 'residual' | 'attention' | 'head')
  | ('downsample2d' | 'downsample3d' | 'upsample2d' | 'upsample3d');

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
  return (['residual', 'attention', 'residual'] as const).map((kind, i) => {
    return { kind, in: width, out: width, name: `${prefix}.${i}` };
  });
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

type Cube = readonly [frames: number, height: number, width: number];

/** Parameters of each kind of layer by their names below the layer's prefix; `cube` is what a causal convolution sees. */
const parameters: Record<VaeLayerKind, (layer: VaeLayer, cube: Cube) => ShapeTree> = {
  conv: (l, cube) => biased(l.out, l.in, ...cube),
  pointwise: (l) => biased(l.out, l.in, 1, 1, 1),
  residual: (l, cube) => ({
    'residual.0.gamma': [l.in, 1, 1, 1],
    'residual.2': biased(l.out, l.in, ...cube),
    'residual.3.gamma': [l.out, 1, 1, 1],
    'residual.6': biased(l.out, l.out, ...cube),
    ...(l.in !== l.out && { shortcut: biased(l.out, l.in, 1, 1, 1) }),
  }),
  attention: (l) => ({
    norm: { gamma: [l.in, 1, 1] },
    to_qkv: biased(3 * l.in, l.in, 1, 1),
    proj: biased(l.in, l.in, 1, 1),
  }),
  head: (l, cube) => ({ 0: { gamma: [l.in, 1, 1, 1] }, 2: biased(l.out, l.in, ...cube) }),
  downsample2d: resample,
  downsample3d: (l) => ({ ...resample(l), time_conv: biased(l.out, l.out, 3, 1, 1) }),
  upsample2d: resample,
  upsample3d: (l) => ({ ...resample(l), time_conv: biased(2 * l.in, l.in, 3, 1, 1) }),
};

function resample(layer: VaeLayer): ShapeTree {
  return { 'resample.1': biased(layer.out, layer.in, 3, 3) };
}

/** Shape of each parameter of the VAE by its official name; what a checkpoint must hold. */
export function vaeShapes(config: VaeConfig): Shapes {
  const layers = [...encoderLayers(config), ...decoderLayers(config)];
  const cube: Cube = [config.kernel_frames ?? 3, 3, 3];
  return shapesIn(Object.fromEntries(layers.map((layer) => [layer.name, parameters[layer.kind](layer, cube)])));
}

const fixed: Readonly<Record<string, string>> = {
  conv1: 'quant_conv',
  conv2: 'post_quant_conv',
  'encoder.conv1': 'encoder.conv_in',
  'decoder.conv1': 'decoder.conv_in',
  'encoder.head.0': 'encoder.norm_out',
  'encoder.head.2': 'encoder.conv_out',
  'decoder.head.0': 'decoder.norm_out',
  'decoder.head.2': 'decoder.conv_out',
};

const residualParts: Readonly<Record<string, string>> = {
  'residual.0': 'norm1',
  'residual.2': 'conv1',
  'residual.3': 'norm2',
  'residual.6': 'conv2',
  shortcut: 'conv_shortcut',
};

/** The name that diffusers (`AutoencoderKLWan`) gives to the weight of an official name. */
export function vaeDiffusersName(config: VaeConfig, official: string): string {
  const end = official.lastIndexOf('.');
  const [path, kind] = [official.slice(0, end), official.slice(end)];
  const whole = fixed[path];
  if (whole !== undefined) return whole + kind;
  const [, half, group, index, part = ''] = /^(\w+)\.(\w+)\.(\d+)\.(.+)$/.exec(path) ?? [];
  return `${half}.${blockName(config, group, Number(index))}.${residualParts[part] ?? part}${kind}`;
}

function blockName(config: VaeConfig, group: string | undefined, index: number): string {
  if (group === 'middle') return index === 1 ? 'mid_block.attentions.0' : `mid_block.resnets.${index / 2}`;
  if (group === 'downsamples') return `down_blocks.${index}`;
  const blocks = config.num_res_blocks + 1;
  const [level, place] = [Math.floor(index / (blocks + 1)), index % (blocks + 1)];
  return `up_blocks.${level}.${place < blocks ? `resnets.${place}` : 'upsamplers.0'}`;
}

/** Official name of a weight under official or diffusers names; others come back as they are. */
export function vaeOfficialNames(config: VaeConfig): (name: string) => string {
  const official = new Map([...vaeShapes(config).keys()].map((name) => [vaeDiffusersName(config, name), name]));
  return (name) => official.get(name) ?? name;
}

/**
 * Fresh weights of a VAE under their official names. Weights and biases are uniform in ±1/√fan_in (PyTorch's default
 * for convolutions), norm gains 1, and each attention's output projection 0, so that attention starts as identity.
 */
export function vaeInitial(config: VaeConfig, key: Key): [string, HostTensor][] {
  const shapes = vaeShapes(config);
  const initial = (name: string, shape: readonly number[]): HostTensor => {
    if (name.endsWith('.gamma')) return constant(1)(key, shape);
    if (name.endsWith('.proj.weight')) return constant(0)(key, shape);
    const weight = shapes.get(name.replace(/bias$/, 'weight')) ?? shape;
    const bound = 1 / Math.sqrt(fans(weight).fanIn);
    return key.stream(name).uniform(shape, -bound, bound);
  };
  return [...shapes].map(([name, shape]) => [name, initial(name, shape)]);
}
