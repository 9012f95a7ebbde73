/** DINO's vision transformer. Source: facebookresearch/dino vision_transformer.py. */
import { type Tensor, tf } from '../../engine/tf.ts';
import { type Architecture, architecture, type Part, type Shapes, type Tapped } from '../../nn/index.ts';
import {
  affine,
  classToken,
  patchTokens,
  shapesIn,
  type VitSizes,
  vitBlocks,
  vitTree,
  withClassToken,
} from '../layers/layers.ts';
import { resample } from '../preprocess/preprocess.ts';

/** Sizes of a DINO image tower, in the names of vision_transformer.py. */
export interface DinoConfig extends VitSizes {
  /** Side of the square images that the position table fits; others are interpolated. */
  readonly img_size: number;
}

const small = { img_size: 224, embed_dim: 384, depth: 12, num_heads: 6 };
const base = { img_size: 224, embed_dim: 768, depth: 12, num_heads: 12 };

/** Names of the presets. */
export type DinoPreset = 'dino_vits16' | 'dino_vits8' | 'dino_vitb16' | 'dino_vitb8';

/** The published models of DINO by their names at torch hub; VBench uses `dino_vitb16`. */
export const dinoPresets: Readonly<Record<DinoPreset, DinoConfig>> = {
  dino_vits16: { ...small, patch_size: 16 },
  dino_vits8: { ...small, patch_size: 8 },
  dino_vitb16: { ...base, patch_size: 16 },
  dino_vitb8: { ...base, patch_size: 8 },
};

/** Shape of every weight by its official name. */
export function dinoShapes(config: DinoConfig): Shapes {
  return shapesIn(vitTree(config, config.img_size));
}

/** Tokens after the final norm of preprocessed images [B, H, W, 3] of any size, class token first: [B, 1 + L, D]. */
export function dinoTokens(net: Part<DinoConfig>, images: Tensor, options: Tapped = {}): Tensor {
  const { weights, config } = net;
  const [, height, width] = images.shape as [number, number, number, number];
  return tf.tidy(() => {
    const patches = patchTokens(images, ...affine(weights, 'patch_embed.proj'));
    const positions = dinoPositions(weights.get('pos_embed'), config, height, width);
    return vitBlocks(weights, config, tf.add(withClassToken(weights.get('cls_token'), patches), positions), options);
  });
}

/** The feature of each image: its class token after the final norm, [B, D]. */
export function dinoFeatures(net: Part<DinoConfig>, images: Tensor): Tensor {
  return tf.tidy(() => classToken(dinoTokens(net, images)));
}

/**
 * Position rows [1, 1 + L, D] for images of a size: the table of the square training grid, interpolated bicubically
 * if the image has another. As in the original, the step between new positions follows from (tokens + 0.1) / side
 * rather than from the ratio of sizes.
 */
export function dinoPositions(table: Tensor, config: DinoConfig, height: number, width: number): Tensor {
  const [, tokens, dim] = table.shape as [number, number, number];
  const side = Math.sqrt(tokens - 1);
  const rows = Math.floor(height / config.patch_size);
  const columns = Math.floor(width / config.patch_size);
  if (rows * columns === tokens - 1 && height === width) return table;
  return tf.tidy(() => {
    const grid = tf.reshape(tf.slice(table, [0, 1, 0], [1, tokens - 1, dim]), [1, side, side, dim]);
    const plan = (to: number) => ({ from: side, to, scale: side / (to + 0.1) });
    const wide = resample(grid, plan(rows), plan(columns), { kernel: 'bicubic', antialias: false });
    const places = tf.reshape(wide, [1, rows * columns, dim]); // [1,h,w,D] -> [1,L,D]
    return tf.concat([tf.slice(table, [0, 0, 0], [1, 1, dim]), places], 1);
  });
}

/**
 * DINO's image tower under the names of its published backbones.
 *
 * @example await dino.load(dino.presets.dino_vitb16, (await openPth('dino_vitbase16_pretrain.pth')).entries())
 */
export const dino: Architecture<DinoConfig, typeof dinoFeatures, DinoPreset> = architecture({
  name: 'DINO',
  presets: dinoPresets,
  shapes: dinoShapes,
  prefixes: ['backbone.'],
  forward: dinoFeatures,
});
