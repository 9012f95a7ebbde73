/** Names of the VAE's weights in the two published forms, and loading from either. */
import { type Architecture, architecture } from '../../nn/index.ts';
import { decode } from './codec.ts';
import { type VaeConfig, type VaePreset, vaePresets } from './config.ts';
import { vaeInitial } from './init.ts';
import { vaeShapes } from './shapes.ts';

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
 * Wan2.1's causal video VAE; loads official and diffusers' names.
 *
 * @example await vae.load(vae.presets['wan2.1'], (await openPth('Wan2.1_VAE.pth')).entries())
 */
export const vae: Architecture<VaeConfig, typeof decode, VaePreset> = architecture({
  name: 'Wan VAE',
  presets: vaePresets,
  shapes: vaeShapes,
  officialName: vaeOfficialNames,
  initial: vaeInitial,
  isHidden: (name) => /^(encoder|decoder)\./.test(name),
  forward: decode,
});
