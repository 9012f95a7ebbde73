/**
 * MUSIQ: multi-scale image quality transformer, the scorer of VBench's imaging quality. A picture of any size becomes
 * several sizes of it, each cut into patches with places on one grid. Source: Ke et al. 2021, arXiv 2108.05997;
 * IQA-PyTorch pyiqa/archs/musiq_arch.py.
 * Instead of a parity fixture, numbers of IQA-PyTorch's own module on hashed weights stand in test/model/musiq.
 */
import { attention, conv2d, layerNorm } from '../../engine/ops/index.ts';
import { type Tensor, type Tensor4D, tf } from '../../engine/tf.ts';
import { elementCount } from '../../io/internal.ts';
import { type Architecture, architecture, type Part, type Shapes, toSigned, type WeightView } from '../../nn/index.ts';
import {
  affine,
  alike,
  biased,
  classToken,
  dense,
  joinHeads,
  preNormBlock,
  shapesIn,
  splitHeads,
} from '../layers/layers.ts';
import { resample, roundHalfEven } from '../preprocess/preprocess.ts';

/** Sizes of MUSIQ, in the names of IQA-PyTorch's constructor (pyiqa/archs/musiq_arch.py, `MUSIQ`). */
export interface MusiqConfig {
  /** Side of the square patches that become tokens. */
  readonly patch_size: number;
  /** Values of the head: 1 for a score, more for shares of the scores 1, 2, 3, ... */
  readonly num_class: number;
  readonly hidden_size: number;
  readonly mlp_dim: number;
  readonly num_heads: number;
  readonly num_layers: number;
  /** Side of the position table that every grid of patches is mapped onto. */
  readonly spatial_pos_grid_size: number;
  /** Longer sides of the shrunken or enlarged copies that are seen beside the picture itself, ascending. */
  readonly longer_side_lengths: readonly number[];
}

const published: Omit<MusiqConfig, 'num_class'> = {
  patch_size: 32,
  hidden_size: 384,
  mlp_dim: 1152,
  num_heads: 6,
  num_layers: 14,
  spatial_pos_grid_size: 10,
  longer_side_lengths: [224, 384],
};

/** Names of the presets. */
export type MusiqPreset = 'spaq' | 'koniq10k' | 'paq2piq' | 'ava';

/** The published models by the data they were trained on; VBench uses `spaq`, whose scores run from 0 to 100. */
export const musiqPresets: Readonly<Record<MusiqPreset, MusiqConfig>> = {
  spaq: { ...published, num_class: 1 },
  koniq10k: { ...published, num_class: 1 },
  paq2piq: { ...published, num_class: 1 },
  ava: { ...published, num_class: 10 },
};

/** A head of one value is a layer of its own, one of several stands before a softmax. */
function headName({ num_class }: MusiqConfig): string {
  return num_class > 1 ? 'head.0' : 'head';
}

/** Shape of every weight by its official name. */
export function musiqShapes(config: MusiqConfig): Shapes {
  const { hidden_size: width, mlp_dim, patch_size, spatial_pos_grid_size } = config;
  const [narrow, wide] = [64, 256]; // channels of the convolutions that read a patch, and of their last layer
  const block = {
    norm1: biased(width),
    attention: alike(['query', 'key', 'value', 'out'], biased(width, width)),
    norm2: biased(width),
    mlp: { fc1: biased(mlp_dim, width), fc2: biased(width, mlp_dim) },
  };
  return shapesIn({
    conv_root: { weight: [narrow, 3, 7, 7] },
    gn_root: biased(narrow),
    block1: {
      conv1: { weight: [narrow, narrow, 1, 1] },
      gn1: biased(narrow),
      conv2: { weight: [narrow, narrow, 3, 3] },
      gn2: biased(narrow),
      conv3: { weight: [wide, narrow, 1, 1] },
      gn3: biased(wide),
      conv_proj: { weight: [wide, narrow, 1, 1] },
      gn_proj: biased(wide),
    },
    embedding: biased(width, wide * Math.floor(patch_size / 4) ** 2),
    transformer_encoder: {
      posembed_input: { position_emb: [1, spatial_pos_grid_size ** 2, width] },
      scaleembed_input: { scale_emb: [config.longer_side_lengths.length + 1, width] },
      cls: [1, 1, width],
      encoder_norm: biased(width),
      transformer: alike(
        Array.from({ length: config.num_layers }, (_, i) => `encoderblock_${i}`),
        block,
      ),
    },
    [headName(config)]: biased(config.num_class, width),
  });
}

const epsilon = { norm: 1e-6, root: 1e-6, block: 1e-4, weight: 1e-5 };
const groups = 32;

/** Quality scores [B] of pictures [B, H, W, 3] in [0, 1] of any size, 0 to 100 for the `spaq` model. */
export function musiqScore(net: Part<MusiqConfig>, images: Tensor): Tensor {
  const { weights, config } = net;
  if (images.rank !== 4 || images.shape[3] !== 3) {
    throw new RangeError(`images have shape [${images.shape}]; wanted [B, H, W, 3]`);
  }
  return tf.tidy(() => {
    const scales = multiscaleTokens(config, toSigned(images));
    const encoder = weights.at('transformer_encoder');
    const tokens = scales.map((scale) => embedded(net, scale));
    const start = tf.tile(encoder.get('cls'), [images.shape[0]!, 1, 1]);
    let x: Tensor = tf.concat([start, ...tokens], 1); // [B, 1 + L, D]
    for (let i = 0; i < config.num_layers; i++) {
      const block = encoder.at(`transformer.encoderblock_${i}`);
      x = preNormBlock(block, x, { mix: (normed) => mixed(block, config.num_heads, normed) });
    }
    const seen = classToken(layerNorm(x, ...affine(encoder, 'encoder_norm'), epsilon.norm));
    return meanOpinion(dense(weights, headName(config), seen), config);
  });
}

function mixed(weights: WeightView, heads: number, x: Tensor): Tensor {
  const part = (name: string): Tensor => splitHeads(dense(weights, `attention.${name}`, x), heads);
  return dense(weights, 'attention.out', joinHeads(attention(part('query'), part('key'), part('value'))));
}

/** [B, K] -> [B]: the value itself, or the mean of the scores 1..K under their softmax. */
function meanOpinion(values: Tensor, { num_class }: MusiqConfig): Tensor {
  if (num_class === 1) return tf.reshape(values, [-1]);
  return tf.sum(tf.mul(tf.softmax(values), tf.range(1, num_class + 1)), 1);
}

/** Patches of one scale as tokens with their places and their scale: [B, L, D]. */
function embedded(net: Part<MusiqConfig>, { patches, places, scale }: ScaleTokens): Tensor {
  const { weights, config } = net;
  return tf.tidy(() => {
    const [batch, length, size] = patches.shape as [number, number, number];
    const flat = tf.reshape(patches, [batch * length, size, size, 3]);
    const features = tf.reshape(stem(weights, flat), [batch, length, -1]); // [B L, p/4, p/4, C] -> [B, L, p/4 p/4 C]
    const tokens = dense(weights, 'embedding', features);
    const encoder = weights.at('transformer_encoder');
    const table = tf.squeeze(encoder.get('posembed_input.position_emb'), [0]); // [G², D]
    const placed = tf.add(tokens, tf.gather(table, tf.tensor1d([...places], 'int32')));
    return tf.add(placed, tf.slice(encoder.get('scaleembed_input.scale_emb'), [scale, 0], [1, config.hidden_size]));
  });
}

/** A patch [N, p, p, 3] to features [N, p/4, p/4, 256]: a convolution, pooling and one bottleneck block. */
function stem(weights: WeightView, patches: Tensor): Tensor {
  return tf.tidy(() => {
    const root = standardConv(patches, weights.get('conv_root.weight'), 2);
    const active = tf.relu(groupNorm(root, weights, 'gn_root', epsilon.root));
    const pooled = tf.maxPool(samePad(active, 3, 2) as Tensor4D, 3, 2, 'valid');
    return bottleneck(weights.at('block1'), pooled);
  });
}

function bottleneck(weights: WeightView, x: Tensor): Tensor {
  const layer = (name: string, y: Tensor): Tensor => {
    const wide = standardConv(y, weights.get(`conv${name}.weight`), 1);
    return groupNorm(wide, weights, `gn${name}`, epsilon.block);
  };
  const narrow = tf.relu(layer('2', tf.relu(layer('1', x))));
  return tf.relu(tf.add(layer('3', narrow), layer('_proj', x)));
}

/** A convolution with zero padding as TensorFlow has it and a kernel of mean 0 and deviation 1 for each output. */
function standardConv(x: Tensor, weight: Tensor, stride: number): Tensor {
  const [, ...rest] = weight.shape as [number, number, number, number];
  const count = elementCount(rest);
  const centred = tf.sub(weight, tf.mean(weight, [1, 2, 3], true));
  const variance = tf.div(tf.sum(tf.square(centred), [1, 2, 3], true), count - 1);
  const kernel = tf.div(centred, tf.add(tf.sqrt(variance), epsilon.weight));
  return conv2d(samePad(x, rest[1]!, stride), kernel, null, { stride });
}

/** Half of what is missing before, the odd one after. */
function halves(missing: number): [number, number] {
  return [Math.floor(missing / 2), Math.ceil(missing / 2)];
}

/** Zeros around so that ceil(size / stride) windows fit. */
function samePad(x: Tensor, kernel: number, stride: number): Tensor {
  const [, height, width] = x.shape as [number, number, number];
  const pad = (extent: number) => halves(Math.max(0, (Math.ceil(extent / stride) - 1) * stride + kernel - extent));
  const [rows, columns] = [pad(height), pad(width)];
  return rows[1] + columns[1] === 0 ? x : tf.pad(x, [[0, 0], rows, columns, [0, 0]]);
}

/** Mean 0 and variance 1 within each of 32 groups of channels of each patch, then scale and shift. */
function groupNorm(x: Tensor, weights: WeightView, name: string, eps: number): Tensor {
  const [batch, height, width, channels] = x.shape as [number, number, number, number];
  const grouped = tf.reshape(x, [batch, height * width, groups, channels / groups]); // [N, HW, G, C/G]
  const centred = tf.sub(grouped, tf.mean(grouped, [1, 3], true));
  const scaled = tf.mul(centred, tf.rsqrt(tf.add(tf.mean(tf.square(centred), [1, 3], true), eps)));
  const [gain, shift] = affine(weights, name);
  return tf.add(tf.mul(tf.reshape(scaled, [batch, height, width, channels]), gain), shift);
}

/** Patches of one size of the pictures. */
interface ScaleTokens {
  /** [B, L, p, p, 3] */
  readonly patches: Tensor;
  /** For each patch its row in the position table. */
  readonly places: readonly number[];
  /** Which size: 0 for the smallest, the last for the pictures as they are. */
  readonly scale: number;
}

/** Patches of all sizes, smallest first: [B, H, W, 3] in [-1, 1]. */
function multiscaleTokens(config: MusiqConfig, images: Tensor): ScaleTokens[] {
  const { patch_size, spatial_pos_grid_size: grid, longer_side_lengths } = config;
  const copies = [...longer_side_lengths.map((longer) => resizeLonger(images, longer)), images];
  return copies.map((copy, scale) => {
    const [, height, width] = copy.shape as [number, number, number];
    const [rows, columns] = [Math.ceil(height / patch_size), Math.ceil(width / patch_size)];
    return { patches: cutPatches(copy, patch_size), places: hashedPlaces(grid, rows, columns), scale };
  });
}

/** Bicubic without antialiasing, so that the longer side has `longer` pixels; sides are rounded halves to even. */
function resizeLonger(images: Tensor, longer: number): Tensor {
  const [, height, width] = images.shape as [number, number, number];
  const ratio = longer / Math.max(height, width);
  const plan = (from: number) => ({ from, to: roundHalfEven(from * ratio) });
  return resample(images, plan(height), plan(width), { kernel: 'bicubic', antialias: false });
}

/** Squares row by row, the picture padded with 0 to whole ones: [B, L, p, p, 3]. */
function cutPatches(images: Tensor, size: number): Tensor {
  const [batch, height, width] = images.shape as [number, number, number];
  const [rows, columns] = [Math.ceil(height / size), Math.ceil(width / size)];
  const around = [halves(rows * size - height), halves(columns * size - width)] as const;
  const whole = tf.pad(images, [[0, 0], ...around, [0, 0]]);
  const strips = tf.reshape(whole, [batch * rows, size, columns, size * 3]); // [B h, p, w, p 3]
  const squares = tf.transpose(strips, [0, 2, 1, 3]); // [B h, w, p, p 3]
  return tf.reshape(squares, [batch, rows * columns, size, size, 3]);
}

/**
 * Row of the G x G position table for each of rows x columns patches: patch i of n stands at floor(i G / n), in single
 * precision as PyTorch's nearest-neighbour resizing has it.
 */
export function hashedPlaces(grid: number, rows: number, columns: number): number[] {
  const place = (i: number, count: number): number => {
    return Math.min(Math.floor(Math.fround(i * Math.fround(grid / count))), grid - 1);
  };
  return Array.from({ length: rows * columns }, (_, i) => {
    return place(Math.floor(i / columns), rows) * grid + place(i % columns, columns);
  });
}

/** MUSIQ under IQA-PyTorch's names. */
export const musiq: Architecture<MusiqConfig, typeof musiqScore, MusiqPreset> = architecture({
  name: 'MUSIQ',
  presets: musiqPresets,
  shapes: musiqShapes,
  prefixes: ['params.'],
  forward: musiqScore,
});
