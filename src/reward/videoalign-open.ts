/** VideoAlign from the files of its released checkpoint. */
import { readFile } from 'node:fs/promises';
import { openPth, openSafetensors } from '../io/index.ts';
import { loadQwen2VlReward, type Qwen2VlLoadOptions, qwen2VlPresets } from '../model/qwen2vl/index.ts';
import {
  type VideoAlignOptions,
  type VideoAlignReward,
  type VideoAlignScale,
  videoAlign,
  videoAlignScale,
} from './videoalign.ts';
import { openVideoAlignPrompts } from './videoalign-prompt.ts';

/** Where the files of VideoAlign lie. */
export interface VideoAlignFiles {
  /** `model.pth` of the released checkpoint, or a `.safetensors` file with the same names. */
  readonly checkpoint: string;
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
  const open = files.checkpoint.endsWith('.safetensors') ? openSafetensors : openPth;
  const entries = (await open(files.checkpoint)).entries();
  const weights = await loadQwen2VlReward(config, entries, loadOptions(settings));
  return videoAlign(weights, prompts, { ...options, config, scale });
}

function loadOptions({ model_config, peft_lora_config }: ModelConfigJson): Qwen2VlLoadOptions {
  const { lora_enable = false, lora_r = 0, lora_alpha = 0 } = peft_lora_config ?? {};
  return {
    trainable: false,
    outputs: model_config?.output_dim ?? 1,
    ...(lora_enable && { lora: { r: lora_r, lora_alpha } }),
  };
}
