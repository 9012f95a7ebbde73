/**
 * Qwen2-VL's vision tower: pre-norm blocks with 2-D rotary positions in which each temporal slice sees only itself,
 * then a merger of neighbouring patches. Source: transformers models/qwen2_vl/modeling_qwen2_vl.py.
 */
import { attention, gelu, layerNorm, linear } from '../../engine/ops/index.ts';
import { type Tensor, tf } from '../../engine/tf.ts';
import type { Part, Tapped } from '../../nn/index.ts';
import { affine, dense, preNormBlock, quickGelu, splitHeads } from '../layers/layers.ts';
import {
  frequencies,
  type PatchGrid,
  patchCount,
  patchPlaces,
  type SliceRun,
  sliceRuns,
  type Turns,
  turnHalves,
  turnsOf,
} from './positions.ts';
import type { Qwen2VlVisionConfig } from './weights.ts';

/**
 * Tokens [patches / merge^2, hidden_size] for the language model of the patches [patches, C * tp * p * p] of one or more
 * videos, as `patchify` makes them.
 *
 * @throws RangeError if `pixels` does not have as many rows as the grids have patches.
 */
export function qwen2VlVision(
  net: Part<Qwen2VlVisionConfig>,
  pixels: Tensor,
  grids: readonly PatchGrid[],
  { onValue }: Tapped = {},
): Tensor {
  const { weights, config } = net;
  checkPixels(config, pixels, grids);
  return tf.tidy(() => {
    const kernel = weights.get('patch_embed.proj.weight');
    let x = linear(pixels, tf.reshape(kernel, [config.embed_dim, -1]), null); // [D,C,tp,p,p] -> [D, C tp p p]
    const turns = patchTurns(config, grids);
    const runs = sliceRuns(grids);
    for (let i = 0; i < config.depth; i++) {
      const block = weights.at(`blocks.${i}`);
      const mix = (normed: Tensor): Tensor => {
        const qkv = dense(block, 'attn.qkv', normed);
        return dense(block, 'attn.proj', sliceAttention(qkv, config.num_heads, turns, runs));
      };
      x = preNormBlock(block, x, { mix, activate: quickGelu });
      onValue?.(`blocks.${i}`, x);
    }
    const merged = mergePatches({ weights: weights.at('merger'), config }, x);
    onValue?.('merger', merged);
    return merged;
  });
}

function checkPixels(config: Qwen2VlVisionConfig, pixels: Tensor, grids: readonly PatchGrid[]): void {
  const rows = grids.reduce((sum, grid) => sum + patchCount(grid), 0);
  const width = config.in_channels * config.temporal_patch_size * config.patch_size ** 2;
  if (pixels.rank === 2 && pixels.shape[0] === rows && pixels.shape[1] === width) return;
  throw new RangeError(
    `pixels have shape [${pixels.shape}]; wanted [${rows}, ${width}] for grids ${grids.join(' and ')}`,
  );
}

/** Half of the angle channels turn with the row of a patch, the other half with its column: [1, L, 1, D/2]. */
function patchTurns(
  { embed_dim, num_heads, spatial_merge_size }: Qwen2VlVisionConfig,
  grids: readonly PatchGrid[],
): Turns {
  const rates = frequencies(embed_dim / num_heads / 4, 1e4);
  const places = grids.flatMap((grid) => patchPlaces(grid, spatial_merge_size));
  const angles = places.flatMap(([row, column]) => [...rates.map((w) => row * w), ...rates.map((w) => column * w)]);
  return turnsOf(tf.tensor3d(angles, [1, places.length, 2 * rates.length]));
}

/** Attention inside of each slice: [L, 3 D] -> [L, D]. */
function sliceAttention(qkv: Tensor, heads: number, turns: Turns, runs: readonly SliceRun[]): Tensor {
  const [q, k, v] = tf.split(tf.expandDims(qkv, 0), 3, 2).map((part) => splitHeads(part, heads)) as Tensor[];
  const [turnedQ, turnedK] = [turnHalves(q!, turns), turnHalves(k!, turns)]; // [1,L,N,D]
  const [, length, , depth] = q!.shape as [number, number, number, number];
  let first = 0;
  const parts = runs.map(({ slices, size }) => {
    const cut = (x: Tensor): Tensor =>
      tf.reshape(tf.slice(x, [0, first, 0, 0], [1, slices * size, heads, depth]), [slices, size, heads, depth]);
    const mixed = attention(cut(turnedQ), cut(turnedK), cut(v!));
    first += slices * size;
    return tf.reshape(mixed, [slices * size, heads * depth]); // [slices,size,N,D] -> [L',N D]
  });
  return tf.reshape(tf.concat(parts, 0), [length, heads * depth]);
}

/** Norm, the patches of each merge square side by side, two layers: [L, D] -> [L / merge^2, hidden_size]. */
function mergePatches({ weights, config }: Part<Qwen2VlVisionConfig>, x: Tensor): Tensor {
  const normed = layerNorm(x, ...affine(weights, 'ln_q'), 1e-6);
  const squares = tf.reshape(normed, [-1, config.embed_dim * config.spatial_merge_size ** 2]);
  return dense(weights, 'mlp.2', gelu(dense(weights, 'mlp.0', squares), 'erf'));
}
