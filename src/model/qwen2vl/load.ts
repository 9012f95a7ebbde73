/** Loading Qwen2-VL reward models: names of several libraries, LoRA merged into the weights that it changes. */
import { type Tensor, tf } from '../../engine/tf.ts';
import {
  type CheckpointEntries,
  loadChecked,
  ownTensor,
  type WeightSource,
  type Weights,
  type WeightsOptions,
} from '../../nn/index.ts';
import type { Qwen2VlConfig } from './config.ts';
import { qwen2VlRewardShapes } from './weights.ts';

/** Low-rank changes of weights, by the keys of PEFT's `adapter_config.json`. */
export interface LoraConfig {
  /** Rank. */
  readonly r: number;
  /** A change counts lora_alpha / r times. */
  readonly lora_alpha: number;
}

/** How a reward model is loaded. */
export interface Qwen2VlLoadOptions extends WeightsOptions {
  /** Needed where the checkpoint holds `lora_A` and `lora_B`; VideoAlign's is `{ r: 64, lora_alpha: 128 }`. */
  readonly lora?: LoraConfig;
  /** Rows of the reward head (default 1). */
  readonly outputs?: number;
}

/**
 * Weights of a Qwen2-VL reward model under the published names, from a plain checkpoint or one of PEFT.
 *
 * Prefixes of PEFT and the module names of newer transformers are taken off, `lora_A` and `lora_B` become part of
 * their weight (W + lora_alpha / r * B A), an output matrix (`lm_head`) is left out.
 *
 * @throws Error listing the missing, surplus and misshapen weights, or naming an incomplete LoRA.
 * @example await loadQwen2VlReward(qwen2VlPresets.videoalign, (await openPth('model.pth')).entries(), { lora: { r: 64, lora_alpha: 128 } })
 */
export function loadQwen2VlReward(
  config: Qwen2VlConfig,
  entries: CheckpointEntries,
  { lora, outputs = 1, ...options }: Qwen2VlLoadOptions = {},
): Promise<Weights> {
  const rename = (name: string) => (unused.test(name) ? null : name);
  return loadChecked(qwen2VlRewardShapes(config, outputs), mergedEntries(entries, lora), rename, options);
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

async function* mergedEntries(entries: CheckpointEntries, lora?: LoraConfig): AsyncGenerator<[string, WeightSource]> {
  const waiting = new Map<string, Parts>();
  for await (const [name, source] of entries) {
    const found = /^(.*)\.(base_layer|lora_(A|B)(\.\w+)?)\.weight$/.exec(name);
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
function* merged(name: string, parts: Required<Parts>, lora?: LoraConfig): Generator<[string, WeightSource]> {
  if (parts.A.shape[0] !== lora?.r) {
    throw new Error(
      `${name}: lora_A has rank ${parts.A.shape[0]}, lora is ${JSON.stringify(lora)}; want its r the same`,
    );
  }
  const scale = lora!.lora_alpha / lora!.r;
  const sum = tf.tidy(() => {
    const [base, a, b] = [parts.base, parts.A, parts.B].map(ownTensor) as [Tensor, Tensor, Tensor];
    return tf.add(base, tf.mul(tf.matMul(b, a), scale));
  });
  yield [name, sum];
  sum.dispose();
}
