/**
 * Names of Qwen2-VL's weights in several libraries, and reward models that are published as changes of a base model:
 * LoRA factors, and weights that trained fully.
 */
import { type Tensor, tf } from '../../engine/tf.ts';
import { elementCount } from '../../io/internal.ts';
import type { CheckpointEntries, Comparison, Shapes, WeightSource } from '../../nn/index.ts';
import { ownTensor } from '../../nn/internal.ts';
import { type Qwen2VlConfig, qwen2VlRewardShapes } from './weights.ts';

/** Low-rank changes of weights, by the keys of PEFT's `adapter_config.json`: rank r, counted lora_alpha / r times. */
export interface LoraConfig {
  readonly r: number;
  readonly lora_alpha: number;
}

/** With as many rewards as the file has: none where it has no reward head. */
export function qwen2VlComparison(received: Shapes, config: Qwen2VlConfig): Comparison {
  const official = new Map(
    [...received].flatMap(([given, shape]) => {
      const name = qwen2VlName(given);
      return name === null ? [] : [[name, shape] as const];
    }),
  );
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

export async function* refusedLora(entries: CheckpointEntries): AsyncGenerator<readonly [string, WeightSource]> {
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
type Parts = Partial<Record<'base' | 'A' | 'B', WeightSource>>;

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
  const [rank] = parts.A.shape;
  if (rank !== lora.r) {
    throw new Error(`${name}: lora_A has rank ${rank}, lora is ${JSON.stringify(lora)}; wanted its r the same`);
  }
  const scale = lora.lora_alpha / lora.r;
  const sum = tf.tidy(() => {
    const [base, a, b] = [parts.base, parts.A, parts.B].map(ownTensor) as [Tensor, Tensor, Tensor];
    return tf.add(base, tf.mul(tf.matMul(b, a), scale));
  });
  yield [name, sum];
  sum.dispose();
}

/** The files of a reward model in parts. */
export interface Qwen2VlParts {
  /** The base model, Qwen2-VL-2B-Instruct for VideoAlign. */
  readonly base: CheckpointEntries;
  /** `adapter_model.safetensors`: LoRA factors alone. */
  readonly adapter: CheckpointEntries;
  /** `non_lora_state_dict.pth`: the head, and the weights that replace the base's. */
  readonly rest: CheckpointEntries;
}

const embedding = 'model.embed_tokens.weight';

/**
 * The tensors of a whole PEFT checkpoint from its parts, for {@link mergedLora}: weights of `rest` stand for those of the
 * base, LoRA factors follow their weight. The base's embedding is cut to the rows of `config`, as the training code
 * does when it adds its special tokens.
 *
 * @throws Error naming a LoRA factor whose weight the base lacks.
 * @example qwen2vl.load(config, mergedLora(joinedEntries(config, { base, adapter, rest }), { r: 64, lora_alpha: 128 }))
 */
export async function* joinedEntries(
  config: Qwen2VlConfig,
  { base, adapter, rest }: Qwen2VlParts,
): AsyncGenerator<[string, WeightSource]> {
  const factors = await factorsOf(adapter);
  const replaced = new Set<string>();
  for await (const [name, source] of rest) {
    const official = qwen2VlOfficialName(name);
    replaced.add(official);
    yield* withFactors(official, source, factors);
  }
  for await (const [name, source] of base) {
    const official = qwen2VlOfficialName(name);
    if (replaced.has(official)) continue;
    yield* withFactors(official, official === embedding ? firstRows(source, config.vocab_size) : source, factors);
  }
  for (const name of factors.keys()) throw new Error(`${name}: the adapter changes it, but the base model lacks it`);
}

type Factors = Map<string, [string, WeightSource][]>;

/** A weight and the factors that change it, which are taken out of the map. */
function* withFactors(name: string, source: WeightSource, factors: Factors): Generator<[string, WeightSource]> {
  const own = factors.get(name) ?? [];
  factors.delete(name);
  yield [own.length > 0 ? name.replace(/\.weight$/, '.base_layer.weight') : name, source];
  yield* own;
}

/** LoRA factors by the official name of the weight that they change. */
async function factorsOf(adapter: CheckpointEntries): Promise<Factors> {
  const found: Factors = new Map();
  for await (const [given, source] of adapter) {
    const name = qwen2VlOfficialName(given);
    const [, module] = /^(.*)\.lora_[AB](?:\.\w+)?\.weight$/.exec(name) ?? [];
    if (module === undefined) throw new Error(`${name}: wanted LoRA factors alone in the adapter (lora_A, lora_B)`);
    found.set(`${module}.weight`, [...(found.get(`${module}.weight`) ?? []), [name, source]]);
  }
  return found;
}

/** The first rows of a table from a file that may have more. */
function firstRows(source: WeightSource, rows: number): WeightSource {
  const [have = 0, ...rest] = source.shape;
  if (have <= rows || source instanceof tf.Tensor) return source;
  const width = elementCount(rest);
  return { ...source, shape: [rows, ...rest], data: source.data.subarray(0, rows * width) } as WeightSource;
}
