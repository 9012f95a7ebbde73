/** Loading Qwen2-VL reward models: names of several libraries, LoRA merged into the weights that it changes. */
import { type Tensor, tf } from '../../engine/tf.ts';
import {
  type Architecture,
  architecture,
  type CheckpointEntries,
  type Comparison,
  ownTensor,
  type Shapes,
  type WeightSource,
} from '../../nn/index.ts';
import { type Qwen2VlConfig, type Qwen2VlPreset, qwen2VlPresets } from './config.ts';
import { qwen2VlRewards } from './reward-head.ts';
import { qwen2VlRewardShapes } from './weights.ts';

/** Low-rank changes of weights, by the keys of PEFT's `adapter_config.json`. */
export interface LoraConfig {
  /** Rank. */
  readonly r: number;
  /** A change counts lora_alpha / r times. */
  readonly lora_alpha: number;
}

/**
 * Qwen2-VL with a reward head, under the published names. Prefixes of PEFT and the module names of newer transformers
 * are taken off, an output matrix (`lm_head`) is left out; for factors of LoRA in the file see {@link mergedLora}.
 *
 * @example await qwen2vl.load(qwen2vl.presets['qwen2-vl-2b'], (await openPth('model.pth')).entries())
 */
export const qwen2vl: Architecture<Qwen2VlConfig, typeof qwen2VlRewards, Qwen2VlPreset> = architecture({
  name: 'Qwen2-VL',
  presets: qwen2VlPresets,
  shapes: qwen2VlRewardShapes,
  officialName: () => qwen2VlName,
  official: refusedLora,
  compare,
  forward: qwen2VlRewards,
});

/** With as many rewards as the file has: none where it has no reward head. */
function compare(received: Shapes, config: Qwen2VlConfig): Comparison {
  const named = [...received].map(([name, shape]) => [qwen2VlName(name), shape] as const);
  const official = new Map(named.filter((entry): entry is [string, readonly number[]] => entry[0] !== null));
  const outputs = official.get('rm_head.weight')?.[0] ?? 0;
  const lora = [...received.keys()].some((name) => /\.lora_[AB]\./.test(name));
  const notes = [
    ...(outputs === (config.outputs ?? 1) ? [] : [`rows of the reward head: outputs ${outputs}`]),
    ...(lora ? ['factors of LoRA: mergedLora'] : []),
  ];
  const wanted = qwen2VlRewardShapes({ ...config, outputs });
  return { wanted, official, ...(notes.length > 0 && { note: notes.join('; ') }) };
}

const factor = /^(.*)\.(base_layer|lora_(A|B)(\.\w+)?)\.weight$/;

async function* refusedLora(entries: CheckpointEntries): AsyncGenerator<readonly [string, WeightSource]> {
  for await (const entry of entries) {
    if (!factor.test(entry[0])) yield entry;
    else
      throw new Error(`${entry[0]}: the checkpoint holds factors of LoRA; load mergedLora(entries, { r, lora_alpha })`);
  }
}

/** The output matrix of the language model, and buffers. */
const unused = /^lm_head\.|rotary_(pos_)?emb\.inv_freq$/;

/** Official name of a weight in any of the published forms; null for LoRA factors and what the reward does not read. */
export function qwen2VlName(name: string): string | null {
  const official = qwen2VlOfficialName(name);
  return unused.test(official) || /\.lora_[AB]\./.test(name) ? null : official;
}

/** Published name of a weight of the PEFT wrapper or of a newer transformers; other names come back as they are. */
export function qwen2VlOfficialName(name: string): string {
  return name
    .replace(/^base_model\.model\./, '')
    .replace(/^model\.visual\./, 'visual.')
    .replace(/^model\.language_model\./, 'model.')
    .replace(/\.base_layer\./, '.');
}

/** A weight and its two factors while they arrive. */
interface Parts {
  base?: WeightSource;
  A?: WeightSource;
  B?: WeightSource;
}

/**
 * The tensors of a checkpoint of PEFT with `lora_A` and `lora_B` made part of their weight:
 * W + lora_alpha / r * B A.
 *
 * @throws Error naming an incomplete LoRA, or one of another rank.
 * @example await qwen2vl.load(qwen2vl.presets.videoalign, mergedLora(file.entries(), { r: 64, lora_alpha: 128 }))
 */
export async function* mergedLora(
  entries: CheckpointEntries,
  lora: LoraConfig,
): AsyncGenerator<readonly [string, WeightSource]> {
  const waiting = new Map<string, Parts>();
  for await (const [name, source] of entries) {
    const found = factor.exec(name);
    if (found === null) {
      yield [qwen2VlOfficialName(name), source];
      continue;
    }
    const official = `${qwen2VlOfficialName(found[1]!)}.weight`;
    const parts: Parts = { ...waiting.get(official), [found[3] ?? 'base']: source };
    const { base, A, B } = parts;
    if (base && A && B) {
      waiting.delete(official);
      yield* merged(official, { base, A, B }, lora);
    } else waiting.set(official, parts);
  }
  for (const [name, parts] of waiting) {
    throw new Error(`${name}: the checkpoint has only ${Object.keys(parts)} of base_layer, lora_A and lora_B`);
  }
}

/** W + lora_alpha / r * B A, alive until the next entry is asked for. */
function* merged(name: string, parts: Required<Parts>, lora: LoraConfig): Generator<[string, WeightSource]> {
  if (parts.A.shape[0] !== lora.r) {
    throw new Error(
      `${name}: lora_A has rank ${parts.A.shape[0]}, lora is ${JSON.stringify(lora)}; wanted its r the same`,
    );
  }
  const scale = lora.lora_alpha / lora.r;
  const sum = tf.tidy(() => {
    const [base, a, b] = [parts.base, parts.A, parts.B].map(ownTensor) as [Tensor, Tensor, Tensor];
    return tf.add(base, tf.mul(tf.matMul(b, a), scale));
  });
  yield [name, sum];
  sum.dispose();
}
