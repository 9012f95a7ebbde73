/** How often a LoRA's changes count: PEFT's `adapter_config.json`, or the same values in a header of diffusers. */
import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { readJsonObject } from '../../io/index.ts';

/** Scale of a module's change from its rank. */
export type ScaleOf = (module: string, rank: number) => number;

/** Key of the header under which diffusers keeps PEFT's configuration, and what stands before each of its keys. */
export const diffusersMetadata = 'lora_adapter_metadata';
export const diffusersPrefix = 'transformer.';

/** Without a word about alpha, changes count once. */
export const unscaled: ScaleOf = () => 1;

/**
 * The scales that a configuration beside a file gives: the one named, the header's, or `adapter_config.json` in its folder.
 *
 * @throws RangeError for one that is no LoRA's, or whose values cannot be.
 */
export async function scalesBeside(
  path: string,
  metadata: ReadonlyMap<string, string>,
  config?: string,
): Promise<ScaleOf> {
  if (config !== undefined) return peftScales(await readJsonObject(config), config);
  const header = metadata.get(diffusersMetadata);
  if (header !== undefined) return peftScales(headerConfig(header, path), path);
  const beside = join(dirname(path), 'adapter_config.json');
  return existsSync(beside) ? peftScales(await readJsonObject(beside), beside) : unscaled;
}

function headerConfig(text: string, path: string): Record<string, unknown> {
  let read: unknown;
  try {
    read = JSON.parse(text);
  } catch (error) {
    throw new RangeError(`${path}: its header's ${diffusersMetadata} is not JSON`, { cause: error });
  }
  const entries = Object.entries((read ?? {}) as object).filter(([key]) => key.startsWith(diffusersPrefix));
  return Object.fromEntries(entries.map(([key, value]) => [key.slice(diffusersPrefix.length), value]));
}

/** PEFT: `lora_alpha / r`, with rsLoRA `lora_alpha / sqrt(r)`, where patterns may give a module an alpha of its own. */
function peftScales(config: Readonly<Record<string, unknown>>, where: string): ScaleOf {
  const { peft_type = 'LORA', use_rslora = false, lora_alpha } = config;
  if (peft_type !== 'LORA')
    throw new RangeError(`${where}: its peft_type is ${JSON.stringify(peft_type)}; wanted LORA`);
  for (const key of ['use_dora', 'fan_in_fan_out', 'use_qalora', 'use_bdlora']) {
    if (config[key])
      throw new RangeError(`${where}: ${key} is on, which gives other weights than a LoRA's B A: not read here`);
  }
  const alphas = [...Object.entries(objectOf(config['alpha_pattern'], `${where}: alpha_pattern`))].map(
    ([key, value]) => [patternOf(key, where), finite(value, `${where}: alpha_pattern of ${key}`)] as const,
  );
  const usual = lora_alpha === undefined || lora_alpha === null ? null : finite(lora_alpha, `${where}: lora_alpha`);
  return (module, rank) => {
    const alpha = alphas.find(([pattern]) => pattern.test(module))?.[1] ?? usual;
    return alpha === null ? 1 : alpha / (use_rslora ? Math.sqrt(rank) : rank);
  };
}

function objectOf(value: unknown, what: string): object {
  if (value === undefined || value === null) return {};
  if (typeof value === 'object' && !Array.isArray(value)) return value;
  throw new RangeError(`${what} is ${JSON.stringify(value)}: wanted an object of names and numbers`);
}

function finite(value: unknown, what: string): number {
  if (typeof value === 'number' && Number.isFinite(value) && value !== 0) return value;
  throw new RangeError(`${what} is ${JSON.stringify(value)}: wanted a number other than 0`);
}

/** Text of a pattern: what is longer, or repeats groups or many atoms, could keep a matcher busy for years. */
const longest = 200;
const mostRepeats = 4;

/**
 * PEFT matches the keys of its patterns as `(.*\.)?(key)$` from a name's start. A file's own expression is only run where
 * it cannot run for long: no repeated groups, few repeats, no references.
 */
function patternOf(key: string, where: string): RegExp {
  const repeats = key.match(/[*+?{]/g)?.length ?? 0;
  const isTame = key.length <= longest && repeats <= mostRepeats && !/\)[*+?{]|\\[1-9k]|\(\?/.test(key);
  if (!isTame)
    throw new RangeError(`${where}: the pattern ${JSON.stringify(key.slice(0, 80))} is too involved to be run`);
  try {
    return new RegExp(`^(?:.*\\.)?(?:${key})$`);
  } catch (error) {
    throw new RangeError(`${where}: the pattern ${JSON.stringify(key)} is no regular expression`, { cause: error });
  }
}
