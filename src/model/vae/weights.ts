/** Diffusers' names of the VAE's weights, and first values for them. */
import type { HostTensor } from '../../io/index.ts';
import type { Key } from '../../nn/index.ts';
import { constant, fans } from '../../nn/internal.ts';
import type { VaeConfig } from './config.ts';
import { vaeShapes } from './layers.ts';

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
 * Fresh weights of a VAE under their official names. Weights and biases are uniform in ±1/√fan_in (PyTorch's default
 * for convolutions), norm gains 1, and each attention's output projection 0, so that attention starts as identity.
 */
export function vaeInitial(config: VaeConfig, key: Key): [string, HostTensor][] {
  const shapes = vaeShapes(config);
  const initial = (name: string, shape: readonly number[]): HostTensor => {
    if (name.endsWith('.gamma')) return constant(1)(key, shape);
    if (name.endsWith('.proj.weight')) return constant(0)(key, shape);
    const weight = shapes.get(name.replace(/bias$/, 'weight')) ?? shape;
    const bound = 1 / Math.sqrt(fans(weight).fanIn);
    return key.stream(name).uniform(shape, -bound, bound);
  };
  return [...shapes].map(([name, shape]) => [name, initial(name, shape)]);
}
