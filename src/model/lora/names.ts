/** What the keys of LoRA files stand for, in the namings that trainers and loaders use. */
import type { Architecture, Shapes } from '../../nn/index.ts';
import { moduleOf, plainName } from '../../nn/internal.ts';

/** What a tensor of a LoRA file is for its module. */
export type LoraPart = 'down' | 'up' | 'alpha' | 'diff' | 'diff_b' | 'diff_m';

/** A key of a file. */
export interface LoraKey {
  /** As the file writes it, prefix included. */
  readonly module: string;
  readonly part: LoraPart;
}

/** PEFT puts the name of an adapter before `.weight` in a state dict. */
const endings: readonly (readonly [RegExp, LoraPart])[] = [
  [/\.(?:lora_A|lora_down)(?:\.[^.]+)?\.weight$/, 'down'],
  [/\.(?:lora_B|lora_up)(?:\.[^.]+)?\.weight$/, 'up'],
  [/\.alpha$/, 'alpha'],
  [/\.diff$/, 'diff'],
  [/\.diff_b$/, 'diff_b'],
  [/\.diff_m$/, 'diff_m'],
];

/** Other kinds of adapters, which say something else with names like these. */
const others: readonly (readonly [RegExp, string])[] = [
  [/\.(?:dora_scale|lora_magnitude_vector(?:\.[^.]+)?(?:\.weight)?)$/, 'DoRA'],
  [/\.hada_[wt]\d\w*$/, 'LoHa'],
  [/\.lokr_[wt]\d\w*$/, 'LoKr'],
  [/\.lora_mid(?:\.weight)?$/, 'LoCon in Tucker form'],
  [/\.(?:oft_\w+|boft_\w+)(?:\.weight)?$/, 'OFT'],
  [/\.(?:a1|a2|b1|b2)\.weight$/, 'GLoRA'],
];

/** The kind of adapter that a key belongs to, where it is another than LoRA. */
export function otherKind(key: string): string | null {
  return others.find(([ending]) => ending.test(key))?.[1] ?? null;
}

/** Null for a key that has nothing of a LoRA. */
export function loraKey(key: string): LoraKey | null {
  for (const [ending, part] of endings) {
    const found = ending.exec(key);
    if (found !== null && found.index > 0) return { module: key.slice(0, found.index), part };
  }
  return null;
}

/** Official weights that a part may stand for, by what follows the module's name. */
const suffixes: Readonly<Record<LoraPart, readonly string[]>> = {
  down: ['.weight'],
  up: ['.weight'],
  alpha: ['.weight'],
  diff: ['.weight', ''],
  diff_b: ['.bias'],
  diff_m: ['.modulation'],
};

const peftPrefix = /^(?:base_model\.model\.)+/;
const kohyaPrefix = /^(?:lora_unet__?|lycoris_)/;

/** Finds the official weight of a key, and the name by which configurations call its module. */
export interface ModuleTable {
  /** Null where the network has no such weight. */
  weightOf(key: LoraKey): string | null;
  /** The module's name in the file's naming, without its prefix: what patterns of PEFT are matched with. */
  bare(module: string): string;
}

/** The table of an architecture; names with underscores for dots are found among the model's own, never split. */
export function moduleTable<Config>(architecture: Architecture<Config>, config: Config): ModuleTable {
  const { prefixes = [] } = architecture;
  const shapes = architecture.shapes(config);
  const official = architecture.officialName(config);
  const underscored = underscoredNames(architecture, shapes);
  const bare = (module: string): string =>
    plainName(`${module.replace(peftPrefix, '')}.`, prefixes)?.slice(0, -1) ?? module;
  const find = (module: string, suffix: string): string | null => {
    const known = kohyaPrefix.test(module) ? underscored.get(module.replace(kohyaPrefix, '')) : undefined;
    const name = known ?? official(module.replace(peftPrefix, '') + suffix);
    const whole = known === undefined ? name : known + suffix;
    return whole !== null && shapes.has(whole) ? whole : null;
  };
  const weightOf = ({ module, part }: LoraKey): string | null => {
    for (const suffix of suffixes[part]) {
      const found = find(module, suffix);
      if (found !== null) return found;
    }
    return null;
  };
  return { weightOf, bare };
}

/** Official modules by their names in kohya's form; a name that two modules would have stands for none. */
function underscoredNames<Config>({ diffusersName }: Architecture<Config>, shapes: Shapes): Map<string, string> {
  const found = new Map<string, string>();
  const twice = new Set<string>();
  for (const weight of shapes.keys()) {
    const official = moduleOf(weight);
    for (const name of [official, ...(diffusersName ? [moduleOf(diffusersName(weight))] : [])]) {
      const key = kohyaName(name);
      if (found.has(key) && found.get(key) !== official) twice.add(key);
      found.set(key, official);
    }
  }
  for (const key of twice) found.delete(key);
  return found;
}

/** kohya-ss writes an underscore for every dot. */
export function kohyaName(module: string): string {
  return module.replaceAll('.', '_');
}
