/** Checkpoints load under both published namings, and misfits are listed. */
import { expect, test } from 'vitest';
import { use } from '../../../src/engine/index.ts';
import { vae, vaeConfig, vaeShapes } from '../../../src/model/internal.ts';
import { vaePresets } from '../../../src/model/vae/config.ts';
import { vaeDiffusersName } from '../../../src/model/vae/layers.ts';
import { random } from '../../../src/nn/index.ts';

await use('cpu');

test.each([
  ['conv1.weight', 'quant_conv.weight'],
  ['conv2.bias', 'post_quant_conv.bias'],
  ['encoder.conv1.weight', 'encoder.conv_in.weight'],
  ['encoder.downsamples.0.residual.0.gamma', 'encoder.down_blocks.0.norm1.gamma'],
  ['encoder.downsamples.5.time_conv.weight', 'encoder.down_blocks.5.time_conv.weight'],
  ['encoder.middle.1.to_qkv.weight', 'encoder.mid_block.attentions.0.to_qkv.weight'],
  ['encoder.head.2.bias', 'encoder.conv_out.bias'],
  ['decoder.middle.2.residual.6.weight', 'decoder.mid_block.resnets.1.conv2.weight'],
  ['decoder.upsamples.3.resample.1.weight', 'decoder.up_blocks.0.upsamplers.0.resample.1.weight'],
  ['decoder.upsamples.4.shortcut.weight', 'decoder.up_blocks.1.resnets.0.conv_shortcut.weight'],
  ['decoder.upsamples.14.residual.2.bias', 'decoder.up_blocks.3.resnets.2.conv1.bias'],
  ['decoder.head.0.gamma', 'decoder.norm_out.gamma'],
])('%s is %s', (official, diffusers) => {
  expect(vaeDiffusersName(vaePresets['wan2.1'], official)).toBe(diffusers);
});

test('no two weights share a name', () => {
  const config = vaePresets['wan2.1'];
  const names = [...vaeShapes(config).keys()].map((name) => vaeDiffusersName(config, name));
  expect(new Set(names).size).toBe(names.length);
});

test('weights come back under either naming', async () => {
  const config = vaeConfig({ dim: 4, z_dim: 2, dim_mult: [1, 2], num_res_blocks: 1, temperal_downsample: [true] });
  const saved = await vae.init(config, random.key(3)).weights.toHost();
  const diffusers = [...saved].map(([name, tensor]) => [vaeDiffusersName(config, name), tensor] as const);
  for (const entries of [saved, diffusers]) {
    const loaded = (await vae.load(config, entries)).weights;
    expect(await loaded.toHost()).toEqual(saved);
    loaded.dispose();
  }
});

test('a checkpoint of another size is refused with the names', async () => {
  const config = vaeConfig({ dim: 4, z_dim: 2, dim_mult: [1, 2], num_res_blocks: 1, temperal_downsample: [true] });
  const saved = await vae.init(config, random.key(3)).weights.toHost();
  saved.delete('conv2.bias');
  await expect(vae.load({ ...config, z_dim: 3 }, saved)).rejects.toThrow(
    /1 missing: conv2\.bias.*misshapen: .*conv1\.weight/,
  );
});
