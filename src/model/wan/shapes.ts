import { elementCount } from '../../io/internal.ts';
import type { Shapes } from '../../nn/index.ts';
import { affineShapes } from '../layers/index.ts';
import type { WanConfig } from './config.ts';

/**
 * Shape of every weight of a Wan transformer by its official name, in the order of the checkpoint's modules:
 * 15 outside of the blocks and 27 in each block.
 *
 * @example parameterCount(wanShapes(wanPresets['wan2.1-t2v-1.3b'])) // 1,418,996,800
 */
export function wanShapes(config: WanConfig): Shapes {
  const { dim, freq_dim, text_dim, in_dim, out_dim, patch_size } = config;
  const patchCells = elementCount(patch_size);
  return new Map<string, readonly number[]>([
    ...affineShapes('patch_embedding', dim, in_dim, ...patch_size),
    ...affineShapes('text_embedding.0', dim, text_dim),
    ...affineShapes('text_embedding.2', dim, dim),
    ...affineShapes('time_embedding.0', dim, freq_dim),
    ...affineShapes('time_embedding.2', dim, dim),
    ...affineShapes('time_projection.1', 6 * dim, dim),
    ...Array.from({ length: config.num_layers }, (_, i) => blockShapes(`blocks.${i}.`, config)).flat(),
    ['head.modulation', [1, 2, dim]],
    ...affineShapes('head.head', out_dim * patchCells, dim),
  ]);
}

type Entry = [string, readonly number[]];

function blockShapes(block: string, { dim, ffn_dim }: WanConfig): Entry[] {
  return [
    [`${block}modulation`, [1, 6, dim]],
    ...attentionShapes(`${block}self_attn.`, dim),
    ...affineShapes(`${block}norm3`, dim),
    ...attentionShapes(`${block}cross_attn.`, dim),
    ...affineShapes(`${block}ffn.0`, ffn_dim, dim),
    ...affineShapes(`${block}ffn.2`, dim, ffn_dim),
  ];
}

function attentionShapes(attention: string, dim: number): Entry[] {
  return [
    ...['q', 'k', 'v', 'o'].flatMap((part) => affineShapes(attention + part, dim, dim)),
    [`${attention}norm_q.weight`, [dim]],
    [`${attention}norm_k.weight`, [dim]],
  ];
}
