import { beforeAll, expect, test } from 'vitest';
import { use } from '../../../src/engine/index.ts';
import { type Tensor, tf } from '../../../src/engine/tf.ts';
import { mergedLora, type Qwen2VlConfig, qwen2VlRewards, qwen2vl } from '../../../src/model/internal.ts';
import { qwen2VlOfficialName } from '../../../src/model/qwen2vl/lora.ts';
import type { Qwen2VlInput } from '../../../src/model/qwen2vl/qwen2vl.ts';
import { qwen2VlPresets, qwen2VlRewardShapes } from '../../../src/model/qwen2vl/weights.ts';
import { parameterCount, random, Weights } from '../../../src/nn/index.ts';
import { hashedWeight } from '../hashed.ts';

const VIDEO = 5;
const special = [6, 7, 8];
const config: Qwen2VlConfig = {
  vocab_size: 9,
  hidden_size: 16,
  intermediate_size: 24,
  num_hidden_layers: 1,
  num_attention_heads: 4,
  num_key_value_heads: 2,
  rms_norm_eps: 1e-6,
  rope_theta: 1e4,
  rope_scaling: { mrope_section: [1, 1, 0] },
  video_token_id: VIDEO,
  vision_config: {
    depth: 2,
    embed_dim: 16,
    hidden_size: 16,
    mlp_ratio: 2,
    num_heads: 2,
    in_channels: 3,
    patch_size: 2,
    spatial_merge_size: 2,
    temporal_patch_size: 2,
  },
};

beforeAll(async () => {
  await use('onnx');
});

function entries(): [string, Tensor][] {
  return [...qwen2VlRewardShapes(config)].map(([name, shape]) => {
    return [name, tf.tensor(hashedWeight(name.replace(/layernorm|ln_q/, 'norm'), shape), [...shape])];
  });
}

function input(rows: number[][], pixels: Tensor, grids: Qwen2VlInput['grids']): Qwen2VlInput {
  const ids = tf.tensor2d(rows, undefined, 'int32');
  return { ids, mask: tf.cast(tf.notEqual(ids, 0), 'int32'), pixels, grids };
}

function pixelsOf(patches: number, seed: number): Tensor {
  return tf.tensor(random.key(seed).uniform([patches, 24], -1, 1).data, [patches, 24]);
}

test('the published size has its published number of parameters', () => {
  const head = 1536;
  expect(parameterCount(qwen2VlRewardShapes(qwen2VlPresets['qwen2-vl-2b'])) - head).toBe(2_208_985_600);
});

test('videos of different grids in one batch score as alone; padding is not seen', async () => {
  const weights = Weights.from(entries());
  const [small, large] = [pixelsOf(8, 1), pixelsOf(8, 2)];
  const rows = [
    [1, VIDEO, VIDEO, 2, 6, 7, 8, 0, 0],
    [1, 3, 2, VIDEO, VIDEO, 6, 7, 4, 8],
  ];
  const together = input(rows, tf.concat([small, large]), [
    [2, 2, 2],
    [1, 2, 4],
  ]);
  const both = await qwen2VlRewards({ weights, config }, special, together).data();
  const first = qwen2VlRewards({ weights, config }, special, input([rows[0]!.slice(0, 7)], small, [[2, 2, 2]]));
  const second = qwen2VlRewards({ weights, config }, special, input([rows[1]!], large, [[1, 2, 4]]));
  expect([...(await first.data()), ...(await second.data())]).toBeAllClose([...both], { atol: 1e-4 });
  weights.dispose();
});

test('a slice does not see the others before the language model', async () => {
  const weights = Weights.from(entries());
  const merged = (x: Tensor): Tensor => {
    let out: Tensor | undefined;
    qwen2VlRewards({ weights, config }, special, input([[VIDEO, VIDEO, 6, 7, 8]], x, [[2, 2, 2]]), {
      onValue: (name, y) => {
        if (name === 'visual.merger') out = tf.keep(y.clone());
      },
    });
    return tf.slice(out!, [0, 0], [1, 16]);
  };
  const pixels = pixelsOf(8, 3);
  const other = tf.concat([tf.slice(pixels, [0, 0], [4, 24]), pixelsOf(4, 4)]);
  expect(await merged(other).data()).toBeAllClose([...(await merged(pixels).data())], { atol: 1e-6 });
  weights.dispose();
});

test('pixels and sections that do not fit are refused', () => {
  const weights = Weights.from(entries());
  const wrong = input([[VIDEO, 6, 7, 8]], pixelsOf(5, 1), [[1, 2, 2]]);
  expect(() => qwen2VlRewards({ weights, config }, special, wrong)).toThrow('wanted [4, 24]');
  const sections = { ...config, rope_scaling: { mrope_section: [1, 0, 0] } };
  const right = input([[VIDEO, 6, 7, 8]], pixelsOf(4, 1), [[1, 2, 2]]);
  expect(() => qwen2VlRewards({ weights, config: sections }, special, right)).toThrow('mrope_section');
  weights.dispose();
});

test.each([
  ['base_model.model.visual.blocks.0.norm1.weight', 'visual.blocks.0.norm1.weight'],
  ['base_model.model.model.visual.merger.ln_q.bias', 'visual.merger.ln_q.bias'],
  ['base_model.model.model.layers.1.self_attn.q_proj.base_layer.bias', 'model.layers.1.self_attn.q_proj.bias'],
  ['base_model.model.model.language_model.norm.weight', 'model.norm.weight'],
  ['model.language_model.embed_tokens.weight', 'model.embed_tokens.weight'],
  ['base_model.model.rm_head.weight', 'rm_head.weight'],
])('%s is %s', (name, official) => {
  expect(qwen2VlOfficialName(name)).toBe(official);
});

test('LoRA factors in any order become part of their weight; nothing is left behind', async () => {
  const module = 'model.layers.0.mlp.up_proj';
  const [a, b] = [tf.fill([2, 16], 0.5), tf.fill([24, 2], 3)];
  const plain = entries();
  const peft = plain.filter(([name]) => name !== `${module}.weight`);
  const base = plain.find(([name]) => name === `${module}.weight`)![1];
  const factors: [string, Tensor][] = [
    [`${module}.lora_B.default.weight`, b],
    [`${module}.base_layer.weight`, base],
    ['lm_head.weight', tf.zeros([9, 16])],
    [`${module}.lora_A.weight`, a],
  ];
  const before = tf.memory().numTensors;
  const { weights } = await qwen2vl.load(config, mergedLora([...factors, ...peft], { r: 2, lora_alpha: 4 }));
  const change = tf.sub(weights.get(`${module}.weight`), base);
  expect(await change.data()).toBeAllClose(Array<number>(24 * 16).fill(6), { atol: 1e-5 });
  change.dispose();
  weights.dispose();
  expect(tf.memory().numTensors).toBe(before);
});

test('an incomplete LoRA and one of another rank are refused by name', async () => {
  const module = 'model.layers.0.mlp.up_proj';
  const base: [string, Tensor] = [`${module}.base_layer.weight`, tf.zeros([24, 16])];
  await expect(qwen2vl.load(config, mergedLora([base], { r: 2, lora_alpha: 4 }))).rejects.toThrow(
    `${module}.weight: the checkpoint has only base`,
  );
  await expect(qwen2vl.load(config, [base])).rejects.toThrow('mergedLora');
  const factors: [string, Tensor][] = [
    [`${module}.lora_A.weight`, tf.zeros([2, 16])],
    [`${module}.lora_B.weight`, tf.zeros([24, 2])],
  ];
  const lora = { r: 4, lora_alpha: 4 };
  await expect(qwen2vl.load(config, mergedLora([base, ...factors], lora))).rejects.toThrow('rank 2');
});
