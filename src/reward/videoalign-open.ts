/** VideoAlign from the files of its released checkpoint. */
import { basename } from 'node:path';
import { readJsonObject } from '../io/index.ts';
import { joinedEntries, mergedLora, openCheckpoint, type Qwen2VlConfig, qwen2vl } from '../model/internal.ts';
import type { CheckpointEntries, Net } from '../nn/index.ts';
import { fromFile } from '../nn/internal.ts';
import {
  type VideoAlignOptions,
  type VideoAlignReward,
  type VideoAlignScale,
  videoAlign,
  videoAlignScale,
} from './videoalign.ts';
import { openVideoAlignPrompts } from './videoalign-prompt.ts';

/** A checkpoint that was saved as changes of the base model. */
export interface VideoAlignParts {
  /** Qwen2-VL-2B-Instruct: `model.safetensors.index.json`, or one file. */
  readonly base: string;
  /** `adapter_model.safetensors` (or `.bin`): LoRA factors. */
  readonly adapter: string;
  /** `non_lora_state_dict.pth`: vision tower, special tokens and head. */
  readonly rest: string;
}

export interface VideoAlignFiles {
  /** `model.pth` of the released checkpoint, a `.safetensors` file with the same names, or the parts. */
  readonly checkpoint: string | VideoAlignParts;
  /** `model_config.json` beside the checkpoint: LoRA, head and scale. */
  readonly modelConfig: string;
  /** `tokenizer.json` of Qwen2-VL. */
  readonly tokenizer: string;
  /** The instruction, from `readVideoAlignTemplate`. */
  readonly template: string;
}

interface ModelConfigJson {
  readonly model_config?: { readonly output_dim?: number };
  readonly peft_lora_config?: { readonly lora_enable?: boolean; readonly lora_r: number; readonly lora_alpha: number };
  readonly inference_config?: Readonly<Record<string, unknown>>;
}

/**
 * {@link videoAlign} from its published files; LoRA is merged, the weights are frozen. Options win over
 * `model_config.json`, whose `inference_config` gives the scale.
 *
 * @throws Error naming the file that does not fit: weights that are missing or misshapen, a scale that is not whole.
 * @example
 * const template = await readVideoAlignTemplate('VideoAlign/prompt_template.py');
 * const reward = await openVideoAlign({ checkpoint, modelConfig, tokenizer, template }, { fps: 16 });
 */
export async function openVideoAlign(
  files: VideoAlignFiles,
  { config = qwen2vl.presets.videoalign, ...options }: VideoAlignOptions & { readonly config?: Qwen2VlConfig } = {},
): Promise<VideoAlignReward> {
  const settings: ModelConfigJson = await readJsonObject(files.modelConfig);
  const { scale = scaleOf(files.modelConfig, settings) } = options;
  const prompts = await openVideoAlignPrompts(files.tokenizer, files.template);
  return videoAlign(await openNet(files.checkpoint, config, settings), prompts, { ...options, scale });
}

async function openNet(
  checkpoint: VideoAlignFiles['checkpoint'],
  config: Qwen2VlConfig,
  { model_config, peft_lora_config }: ModelConfigJson,
): Promise<Net<Qwen2VlConfig>> {
  const { lora_enable = false, lora_r: r = 0, lora_alpha = 0 } = peft_lora_config ?? {};
  const whole = { ...config, outputs: model_config?.output_dim ?? 1 };
  return fromFile(typeof checkpoint === 'string' ? checkpoint : checkpoint.rest, async (path) => {
    const entries = await entriesOf(checkpoint, config);
    const merged = lora_enable ? mergedLora(entries, { r, lora_alpha }) : entries;
    return qwen2vl.load(whole, merged, { trainable: false, about: { origin: basename(path) } });
  });
}

/** The scale of `inference_config`; the released one where the file has none. */
function scaleOf(path: string, { inference_config: given }: ModelConfigJson): VideoAlignScale {
  if (given === undefined) return videoAlignScale;
  const wrong = Object.keys(videoAlignScale).filter((key) => !Number.isFinite(given[key]));
  if (wrong.length === 0) return given as unknown as VideoAlignScale;
  throw new Error(
    `${path}: inference_config has no number under ${wrong.join(', ')}; wanted them all, or options.scale`,
  );
}

async function entriesOf(checkpoint: string | VideoAlignParts, config: Qwen2VlConfig): Promise<CheckpointEntries> {
  const open = async (path: string): Promise<CheckpointEntries> => (await openCheckpoint(path)).entries();
  if (typeof checkpoint === 'string') return open(checkpoint);
  const { base, adapter, rest } = checkpoint;
  return joinedEntries(config, { base: await open(base), adapter: await open(adapter), rest: await open(rest) });
}
