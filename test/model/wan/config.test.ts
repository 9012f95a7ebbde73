import { describe, expect, test } from 'vitest';
import * as engine from '../../../src/engine/index.ts';
import { wan, wanPresets, wanShapes } from '../../../src/model/internal.ts';
import { wanConfig } from '../../../src/model/wan/config.ts';
import { diffusersName } from '../../../src/model/wan/weights.ts';
import { parameterCount, random } from '../../../src/nn/index.ts';

test.each([
  ['wan2.1-t2v-1.3b', 825, 1_418_996_800],
  ['wan2.1-t2v-14b', 1095, 14_288_491_584],
  ['tiny', 15 + 2 * 27, 140_496],
] as const)('%s has the published size', (name, tensors, parameters) => {
  const shapes = wanShapes(wanPresets[name]);
  expect(shapes.size).toBe(tensors);
  expect(parameterCount(shapes)).toBe(parameters);
});

test('an official config.json is completed from the published sizes', () => {
  const official = {
    model_type: 't2v',
    text_len: 512,
    in_dim: 16,
    dim: 1536,
    ffn_dim: 8960,
    freq_dim: 256,
    out_dim: 16,
  };
  const config = wanConfig({ ...official, num_heads: 12, num_layers: 30, eps: 1e-6, _class_name: 'WanModel' });
  expect(config).toEqual(wanPresets['wan2.1-t2v-1.3b']);
  for (const preset of Object.values(wanPresets)) expect(wanConfig(preset)).toEqual(preset);
});

describe('a wrong configuration is refused', () => {
  const good = { dim: 64, ffn_dim: 128, num_heads: 2, num_layers: 2 };
  test.each([
    [{ ...good, num_head: 2 }, 'num_head: not a key'],
    [{ ...good, dim: undefined }, 'dim: wanted a whole number >= 1, received undefined'],
    [{ ...good, dim: 65 }, 'dim: wanted a multiple of 2 * num_heads (4), received 65'],
    [{ ...good, model_type: 'i2v' }, 'model_type: received "i2v", only "t2v"'],
    [{ ...good, qk_norm: false }, 'qk_norm: received false'],
    [{ ...good, patch_size: [2, 2] }, 'patch_size: wanted [time, height, width]'],
    [{ ...good, freq_dim: 33 }, 'freq_dim: wanted an even number'],
    [{ ...good, eps: 0 }, 'eps: wanted a positive number'],
    [{ ...good, num_frame_per_block: 3, local_attn_size: 2 }, 'local_attn_size: wanted -1 or at least'],
    [{ ...good, num_frame_per_block: 1, local_attn_size: 2, sink_size: 2 }, 'sink_size'],
  ])('%j', (fields, message) => {
    expect(() => wanConfig(fields)).toThrow(message);
  });
});

test('names of every checkpoint lead back to the official ones', () => {
  const config = wanPresets.tiny;
  const back = wan.officialName(config);
  const names = [...wanShapes(config).keys()];
  expect(new Set(names.map(diffusersName)).size).toBe(names.length);
  for (const name of names) {
    expect(back(diffusersName(name))).toBe(name);
    expect(back(name)).toBe(name);
    expect(back(`model._fsdp_wrapped_module.${name.replace('blocks.', 'blocks._checkpoint_wrapped_module.')}`)).toBe(
      name,
    );
  }
  expect(diffusersName('blocks.11.norm3.bias')).toBe('blocks.11.norm2.bias');
});

test('a checkpoint of another size is refused by name, parts of a critic are passed over', async () => {
  await engine.use('cpu');
  const { tiny } = wanPresets;
  const { weights } = wan.init(tiny, random.key(3));
  const host = await weights.toHost();
  host.set('model._gan_ca_blocks.0.weight', { dtype: 'float32', shape: [1], data: new Float32Array(1) });
  (await wan.load(tiny, host)).weights.dispose();
  await expect(wan.load({ ...tiny, num_layers: 1 }, host)).rejects.toThrow('27 surplus: blocks.1.modulation');
  await expect(wan.load({ ...tiny, ffn_dim: 64 }, host)).rejects.toThrow(
    'blocks.0.ffn.0.weight (received [128,64], wanted [64,64])',
  );
  weights.dispose();
});

test('fresh weights follow the rules of their names and the key alone', async () => {
  await engine.use('cpu');
  const [a, b, c] = [1, 1, 2].map((seed) => wan.init(wanPresets.tiny, random.key(seed)).weights);
  const [first, same, other] = await Promise.all([a!.toHost(), b!.toHost(), c!.toHost()]);
  expect(first).toEqual(same);
  expect(first).not.toEqual(other);
  const values = (name: string) => Array.from(first!.get(name)!.data as Float32Array);
  expect(values('head.head.weight').every((value) => value === 0)).toBe(true);
  expect(values('blocks.0.norm3.weight').every((value) => value === 1)).toBe(true);
  const bound = Math.sqrt(6 / 128);
  const largest = Math.max(...values('blocks.1.self_attn.q.weight').map(Math.abs));
  expect(largest).toBeLessThanOrEqual(bound);
  expect(largest).toBeGreaterThan(0.95 * bound);
  expect(spread(values('text_embedding.2.weight'))).toBeCloseTo(0.02, 2);
  expect(spread(values('blocks.0.modulation'))).toBeCloseTo(1 / 8, 1);
  for (const weights of [a, b, c]) weights!.dispose();
});

function spread(values: number[]): number {
  return Math.sqrt(values.reduce((sum, value) => sum + value * value, 0) / values.length);
}
