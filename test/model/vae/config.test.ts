/** Configurations are completed, checked, and their strides follow from the topology. */
import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { latentShape, type VaeConfig, vaeConfig, vaeStrides } from '../../../src/model/internal.ts';
import { vaePresets } from '../../../src/model/vae/config.ts';
import { decoderLayers, encoderLayers } from '../../../src/model/vae/layers.ts';

test('the published configuration has stride 4×8×8 and normalised latents', () => {
  const config = vaePresets['wan2.1'];
  expect(vaeStrides(config)).toEqual({ time: 4, space: 8 });
  expect(latentShape(config, { frames: 81, height: 480, width: 832 })).toEqual({
    frames: 21,
    height: 60,
    width: 104,
    channels: 16,
  });
  expect(config.latents_std).toHaveLength(16);
});

test('the small scale turns nine frames of 32×32 into three latents of 8×8', () => {
  const latent = latentShape(vaePresets.study, { frames: 9, height: 32, width: 32 });
  expect(latent).toMatchObject({ frames: 3, height: 8, width: 8 });
});

test('statistics that are not given leave latents as they are', () => {
  const config = vaeConfig({ z_dim: 2 });
  expect([config.latents_mean, config.latents_std]).toEqual([
    [0, 0],
    [1, 1],
  ]);
  expect(vaeConfig().latents_mean).toEqual(vaePresets['wan2.1'].latents_mean);
});

describe('refused', () => {
  const cases: [string, Partial<VaeConfig>, RegExp][] = [
    ['a broken size', { dim: 1.5 }, /VaeConfig\.dim holds 1\.5/],
    ['too few steps', { temperal_downsample: [true] }, /1 entries; 4 levels in dim_mult need 3/],
    ['squares without pixels', { patch_size: 0 }, /patch_size holds 0/],
    ['odd channels', { dim: 3, dim_mult: [1, 1, 1, 1] }, /halves the channels/],
    ['statistics of another width', { z_dim: 2, latents_mean: [0] }, /z_dim = 2 finite numbers/],
    ['a standard deviation of zero', { z_dim: 1, latents_mean: [0], latents_std: [0] }, /above 0/],
  ];
  test.each(cases)('%s', (_, fields, message) => {
    expect(() => vaeConfig(fields)).toThrow(message);
  });
});

test('in every topology each layer takes what the one before gives', () => {
  const topology = fc.array(fc.integer({ min: 1, max: 4 }), { minLength: 1, maxLength: 5 }).chain((dim_mult) =>
    fc.record({
      dim_mult: fc.constant(dim_mult),
      dim: fc.constantFrom(2, 4, 6),
      z_dim: fc.integer({ min: 1, max: 8 }),
      num_res_blocks: fc.integer({ min: 1, max: 3 }),
      attn_scales: fc.subarray([1, 0.5, 0.25]),
      temperal_downsample: fc.array(fc.boolean(), { minLength: dim_mult.length - 1, maxLength: dim_mult.length - 1 }),
    }),
  );
  void fc.assert(
    fc.property(topology, (fields) => {
      const config = vaeConfig(fields);
      for (const layers of [encoderLayers(config), decoderLayers(config)]) {
        for (const [i, layer] of layers.slice(1).entries()) expect(layer.in).toBe(layers[i]!.out);
        expect(new Set(layers.map((layer) => layer.name)).size).toBe(layers.length);
      }
      expect(encoderLayers(config).at(-1)!.out).toBe(2 * config.z_dim);
      expect(decoderLayers(config).at(-1)!.out).toBe(3);
    }),
  );
});
