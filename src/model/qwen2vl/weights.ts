/** Names and shapes of the weights of Qwen2-VL with a reward head. */
import type { Shapes } from '../../nn/index.ts';
import { affineShapes } from '../layers/index.ts';
import type { Qwen2VlConfig, Qwen2VlVisionConfig } from './config.ts';

type Entry = [string, number[]];

/** Shape of every weight by its name in the published checkpoints, `rm_head.weight` besides. */
export function qwen2VlRewardShapes(config: Qwen2VlConfig): Shapes {
  const { hidden_size, vocab_size, num_hidden_layers, outputs = 1 } = config;
  return new Map<string, readonly number[]>([
    ...visionShapes(config.vision_config),
    ['model.embed_tokens.weight', [vocab_size, hidden_size]],
    ...Array.from({ length: num_hidden_layers }, (_, i) => layerShapes(config, `model.layers.${i}`)).flat(),
    ['model.norm.weight', [hidden_size]],
    ...(outputs === 0 ? [] : ([['rm_head.weight', [outputs, hidden_size]]] as Entry[])),
  ]);
}

function visionShapes(config: Qwen2VlVisionConfig): Entry[] {
  const { embed_dim, depth, in_channels, temporal_patch_size, patch_size, spatial_merge_size, hidden_size } = config;
  const square = embed_dim * spatial_merge_size ** 2;
  const kernel = [embed_dim, in_channels, temporal_patch_size, patch_size, patch_size];
  return [
    ['visual.patch_embed.proj.weight', kernel],
    ...Array.from({ length: depth }, (_, i) => visionBlockShapes(config, `visual.blocks.${i}`)).flat(),
    ...affineShapes('visual.merger.ln_q', embed_dim),
    ...affineShapes('visual.merger.mlp.0', square, square),
    ...affineShapes('visual.merger.mlp.2', hidden_size, square),
  ];
}

function visionBlockShapes({ embed_dim: width, mlp_ratio }: Qwen2VlVisionConfig, block: string): Entry[] {
  const wide = Math.trunc(width * mlp_ratio);
  return [
    ...affineShapes(`${block}.norm1`, width),
    ...affineShapes(`${block}.norm2`, width),
    ...affineShapes(`${block}.attn.qkv`, 3 * width, width),
    ...affineShapes(`${block}.attn.proj`, width, width),
    ...affineShapes(`${block}.mlp.fc1`, wide, width),
    ...affineShapes(`${block}.mlp.fc2`, width, wide),
  ];
}

function layerShapes(config: Qwen2VlConfig, layer: string): Entry[] {
  const { hidden_size: width, intermediate_size: wide, num_attention_heads, num_key_value_heads } = config;
  const narrow = (width / num_attention_heads) * num_key_value_heads;
  return [
    [`${layer}.input_layernorm.weight`, [width]],
    [`${layer}.post_attention_layernorm.weight`, [width]],
    ...affineShapes(`${layer}.self_attn.q_proj`, width, width),
    ...affineShapes(`${layer}.self_attn.k_proj`, narrow, width),
    ...affineShapes(`${layer}.self_attn.v_proj`, narrow, width),
    [`${layer}.self_attn.o_proj.weight`, [width, width]],
    [`${layer}.mlp.gate_proj.weight`, [wide, width]],
    [`${layer}.mlp.up_proj.weight`, [wide, width]],
    [`${layer}.mlp.down_proj.weight`, [width, wide]],
  ];
}
