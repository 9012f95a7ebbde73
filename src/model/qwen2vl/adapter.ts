/** Reward models that are published as changes of a base model: LoRA factors, and weights that trained fully. */

import { tf } from '../../engine/tf.ts';
import { elementCount } from '../../io/internal.ts';
import type { CheckpointEntries, WeightSource } from '../../nn/index.ts';
import type { Qwen2VlConfig } from './config.ts';
import { qwen2VlOfficialName } from './load.ts';

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
  yield [own.length > 0 ? baseName(name) : name, source];
  yield* own;
}

function baseName(name: string): string {
  return name.replace(/\.weight$/, '.base_layer.weight');
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
