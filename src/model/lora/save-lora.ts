/** A net's LoRA as a file, in the naming that another program reads. */
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { type HostTensor, hostTensor, toFloat32, writeAtomic, writePth, writeSafetensors } from '../../io/index.ts';
import { toBfloat16, toFloat16 } from '../../io/internal.ts';
import { type Architecture, type Net, toHost } from '../../nn/index.ts';
import { type Change, moduleOf, wantedAdapter } from '../../nn/internal.ts';
import { kohyaName } from './names.ts';
import { diffusersMetadata, diffusersPrefix } from './peft-config.ts';

/** Who reads the file: see {@link saveLora}. */
export type LoraNaming = 'diffusers' | 'peft' | 'comfyui' | 'kohya' | 'longlive';

/** Options of {@link saveLora}. */
export interface SaveLoraOptions {
  readonly naming: LoraNaming;
  /** @defaultValue 'float32' */
  readonly dtype?: 'float32' | 'bfloat16' | 'float16';
}

/**
 * Writes the last LoRA of a net. `diffusers` is a safetensors file as `save_lora_weights` writes it, scales in its header;
 * `peft` a folder of `adapter_model.safetensors` and `adapter_config.json`; `comfyui` and `kohya` (sd-scripts,
 * musubi-tuner) safetensors with alphas, of which the first alone has names for full differences; `longlive` a `.pt` file
 * with `generator_lora`. Its strength is multiplied into the scales. What is read back has the same bits in float32.
 *
 * @throws TypeError for a net without a LoRA, RangeError for what the naming cannot say.
 * @example await model.saveLora(student, 'reward-lora.safetensors', { naming: 'comfyui', dtype: 'bfloat16' });
 */
export async function saveLora<Config>(net: Net<Config>, path: string, options: SaveLoraOptions): Promise<void> {
  const writer = Object.hasOwn(writers, options.naming) ? writers[options.naming] : undefined;
  if (writer === undefined) {
    throw new RangeError(
      `naming: wanted ${Object.keys(writers).join(', ')}, received ${JSON.stringify(options.naming)}`,
    );
  }
  await writer(path, await contentOf(net, options.dtype ?? 'float32'), net.architecture as Architecture<unknown>);
}

/** What one weight changes by. */
interface Saved {
  readonly weight: string;
  readonly factors?: {
    readonly down: HostTensor;
    readonly up: HostTensor;
    readonly rank: number;
    readonly alpha: number;
  };
  readonly difference?: HostTensor;
}

type Writer = (path: string, content: readonly Saved[], architecture: Architecture<unknown>) => Promise<void>;

const writers: Readonly<Record<LoraNaming, Writer>> = {
  comfyui: (path, content) => {
    const entries = content.flatMap((saved) => {
      const module = `diffusion_model.${moduleOf(saved.weight)}`;
      const isBias = saved.weight.endsWith('.bias');
      return [
        ...factorEntries(saved, [`${module}.lora_A.weight`, `${module}.lora_B.weight`, `${module}.alpha`]),
        ...(saved.difference ? [[`${module}.${isBias ? 'diff_b' : 'diff'}`, saved.difference] as const] : []),
      ];
    });
    return writeSafetensors(path, entries, { format: 'pt' });
  },
  kohya: (path, content) => {
    const entries = factorsAlone(content, 'kohya').flatMap((saved) => {
      const module = `lora_unet_${kohyaName(moduleOf(saved.weight))}`;
      return factorEntries(saved, [`${module}.lora_down.weight`, `${module}.lora_up.weight`, `${module}.alpha`]);
    });
    return writeSafetensors(path, entries, { format: 'pt', ss_network_module: 'networks.lora_wan' });
  },
  diffusers: (path, content, { name, diffusersName }) => {
    if (!diffusersName) throw new RangeError(`naming: the ${name} has no names of diffusers; use peft or comfyui`);
    const renamed = factorsAlone(content, 'diffusers').map((saved) => ({
      ...saved,
      weight: diffusersName(saved.weight),
    }));
    const config = Object.entries(peftConfig(renamed)).map(([key, value]) => [diffusersPrefix + key, value] as const);
    const header = JSON.stringify(Object.fromEntries(config), null, 2);
    return writeSafetensors(path, peftEntries(renamed, diffusersPrefix), { format: 'pt', [diffusersMetadata]: header });
  },
  peft: async (path, content) => {
    const factors = factorsAlone(content, 'peft');
    await mkdir(path, { recursive: true });
    await writeAtomic(join(path, 'adapter_config.json'), JSON.stringify(peftConfig(factors), null, 2));
    await writeSafetensors(join(path, 'adapter_model.safetensors'), peftEntries(factors, peftPrefix), { format: 'pt' });
  },
  longlive: (path, content) => {
    const factors = factorsAlone(content, 'longlive');
    const odd = factors.find(({ factors }) => factors.alpha !== factors.rank);
    const scaled = factors.map((saved) => (odd ? unscaledFactors(saved) : saved)); // its loader knows one alpha for all
    return writePth(path, { generator_lora: new Map(peftEntries(scaled, peftPrefix)) });
  },
};

const peftPrefix = 'base_model.model.';

async function contentOf<Config>(net: Net<Config>, dtype: NonNullable<SaveLoraOptions['dtype']>): Promise<Saved[]> {
  const { of, strength } = wantedAdapter(net);
  const content: Saved[] = [];
  for (const [weight, changes] of of) {
    let saved: Saved = { weight };
    for (const change of changes) saved = { ...saved, ...(await savedOf(net, change, { strength, dtype })) };
    content.push(saved);
  }
  return content;
}

async function savedOf<Config>(
  { weights }: Net<Config>,
  change: Change,
  { strength, dtype }: { strength: number; dtype: NonNullable<SaveLoraOptions['dtype']> },
): Promise<Partial<Saved>> {
  const read = async (name: string): Promise<HostTensor> => toHost(weights.variable(name));
  if (change.kind === 'difference')
    return { difference: narrowed(multiplied(await read(change.name), strength), dtype) };
  const [down, up] = [narrowed(await read(change.down), dtype), narrowed(await read(change.up), dtype)];
  const rank = down.shape[0]!;
  return { factors: { down, up, rank, alpha: strength * change.scale * rank } };
}

function narrowed(tensor: HostTensor, dtype: NonNullable<SaveLoraOptions['dtype']>): HostTensor {
  if (dtype === 'float32') return tensor;
  const floats = toFloat32(tensor);
  return hostTensor(dtype, tensor.shape, dtype === 'bfloat16' ? toBfloat16(floats) : toFloat16(floats));
}

function multiplied(tensor: HostTensor, factor: number): HostTensor {
  if (factor === 1) return tensor;
  return hostTensor(
    'float32',
    tensor.shape,
    toFloat32(tensor).map((value) => value * factor),
  );
}

type FactorsOnly = Saved & Required<Pick<Saved, 'factors'>>;

/** @throws RangeError for full differences, which only ComfyUI's loader reads. */
function factorsAlone(content: readonly Saved[], naming: LoraNaming): FactorsOnly[] {
  return content.map((saved) => {
    const { weight, factors, difference } = saved;
    if (factors && !difference) return { ...saved, factors };
    throw new RangeError(`naming: ${naming} has no name for the full difference of ${weight}; use comfyui`);
  });
}

type Entry = readonly [string, HostTensor];

function factorEntries({ factors }: Saved, [down, up, alpha]: readonly [string, string, string]): Entry[] {
  if (!factors) return [];
  const value = hostTensor('float32', [], Float32Array.of(factors.alpha));
  return [
    [down, factors.down],
    [up, factors.up],
    [alpha, value],
  ];
}

function peftEntries(content: readonly FactorsOnly[], prefix: string): Entry[] {
  return content.flatMap(({ weight, factors }): Entry[] => {
    const module = prefix + moduleOf(weight);
    return [
      [`${module}.lora_A.weight`, factors.down],
      [`${module}.lora_B.weight`, factors.up],
    ];
  });
}

/** PEFT's configuration: the commonest rank and alpha for all, patterns for the modules that have others. */
function peftConfig(content: readonly FactorsOnly[]): Record<string, unknown> {
  const r = commonest(content.map(({ factors }) => factors.rank));
  const alpha = commonest(content.map(({ factors }) => factors.alpha));
  const odd = (key: 'rank' | 'alpha', usual: number): Record<string, number> =>
    Object.fromEntries(
      content.flatMap(({ weight, factors }) => (factors[key] === usual ? [] : [[moduleOf(weight), factors[key]]])),
    );
  return {
    peft_type: 'LORA',
    base_model_name_or_path: null,
    task_type: null,
    inference_mode: true,
    bias: 'none',
    fan_in_fan_out: false,
    use_rslora: false,
    use_dora: false,
    lora_dropout: 0,
    r,
    lora_alpha: alpha,
    rank_pattern: odd('rank', r),
    alpha_pattern: odd('alpha', alpha),
    target_modules: content.map(({ weight }) => moduleOf(weight)),
  };
}

function commonest(values: readonly number[]): number {
  const counts = new Map<number, number>();
  for (const value of values) counts.set(value, (counts.get(value) ?? 0) + 1);
  return [...counts].sort(([, a], [, b]) => b - a)[0]![0];
}

/** The same change with its scale in B, for a reader that knows none. */
function unscaledFactors(saved: FactorsOnly): FactorsOnly {
  const { down, up, rank, alpha } = saved.factors;
  const scaled = multiplied(hostTensor('float32', up.shape, toFloat32(up)), alpha / rank);
  return { ...saved, factors: { down, up: narrowed(scaled, up.dtype as 'float32'), rank, alpha: rank } };
}
