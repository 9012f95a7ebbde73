/** VideoAlign from the files of its released checkpoint. */
import { readFile } from 'node:fs/promises';
import type { CheckpointEntries } from '../model/index.ts';
import { openCheckpoint } from '../model/index.ts';
import {
  joinedEntries,
  loadQwen2VlReward,
  type Qwen2VlConfig,
  type Qwen2VlLoadOptions,
  qwen2VlPresets,
} from '../model/qwen2vl/index.ts';
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

/** Where the files of VideoAlign lie. */
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

/** The parts of `model_config.json` that are looked at here. */
interface ModelConfigJson {
  readonly model_config?: { readonly output_dim?: number };
  readonly peft_lora_config?: { readonly lora_enable?: boolean; readonly lora_r: number; readonly lora_alpha: number };
  readonly inference_config?: VideoAlignScale;
}

/**
 * {@link videoAlign} from its published files; LoRA is merged, the weights are frozen. Options win over
 * `model_config.json`, whose `inference_config` gives the scale.
 *
 * @throws Error listing the weights that do not fit.
 * @example
 * const template = await readVideoAlignTemplate('VideoAlign/prompt_template.py');
 * const reward = await openVideoAlign({ checkpoint, modelConfig, tokenizer, template }, { fps: 16 });
 */
export async function openVideoAlign(
  files: VideoAlignFiles,
  options: VideoAlignOptions = {},
): Promise<VideoAlignReward> {
  const settings = JSON.parse(await readFile(files.modelConfig, 'utf8')) as ModelConfigJson;
  const { config = qwen2VlPresets.videoalign, scale = settings.inference_config ?? videoAlignScale } = options;
  const prompts = await openVideoAlignPrompts(files.tokenizer, files.template);
  const entries = await entriesOf(files.checkpoint, config);
  const weights = await loadQwen2VlReward(config, entries, loadOptions(settings));
  return videoAlign(weights, prompts, { ...options, config, scale });
}

async function entriesOf(checkpoint: string | VideoAlignParts, config: Qwen2VlConfig): Promise<CheckpointEntries> {
  const open = async (path: string): Promise<CheckpointEntries> => (await openCheckpoint(path)).entries();
  if (typeof checkpoint === 'string') return open(checkpoint);
  const { base, adapter, rest } = checkpoint;
  return joinedEntries(config, { base: await open(base), adapter: await open(adapter), rest: await open(rest) });
}

function loadOptions({ model_config, peft_lora_config }: ModelConfigJson): Qwen2VlLoadOptions {
  const { lora_enable = false, lora_r = 0, lora_alpha = 0 } = peft_lora_config ?? {};
  return {
    trainable: false,
    outputs: model_config?.output_dim ?? 1,
    ...(lora_enable && { lora: { r: lora_r, lora_alpha } }),
  };
}
