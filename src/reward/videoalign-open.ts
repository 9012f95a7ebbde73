/** VideoAlign from the files of its released checkpoint. */
import { readJsonObject } from '../io/index.ts';
import { type CheckpointEntries, openCheckpoint } from '../model/index.ts';
import {
  joinedEntries,
  loadQwen2VlReward,
  type Qwen2VlConfig,
  type Qwen2VlLoadOptions,
  qwen2VlPresets,
} from '../model/qwen2vl/index.ts';
import { fromFile } from '../nn/index.ts';
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
  options: VideoAlignOptions = {},
): Promise<VideoAlignReward> {
  const settings: ModelConfigJson = await readJsonObject(files.modelConfig);
  const { config = qwen2VlPresets.videoalign, scale = scaleOf(files.modelConfig, settings) } = options;
  const prompts = await openVideoAlignPrompts(files.tokenizer, files.template);
  const { checkpoint } = files;
  const weights = await fromFile(typeof checkpoint === 'string' ? checkpoint : checkpoint.rest, async () => {
    return loadQwen2VlReward(config, await entriesOf(checkpoint, config), loadOptions(settings));
  });
  return videoAlign(weights, prompts, { ...options, config, scale });
}

/** The scale of `inference_config`; the released one where the file has none. */
function scaleOf(path: string, { inference_config: given }: ModelConfigJson): VideoAlignScale {
  if (given === undefined) return videoAlignScale;
  const wrong = Object.keys(videoAlignScale).filter((key) => !Number.isFinite(given[key]));
  if (wrong.length === 0) return given as unknown as VideoAlignScale;
  throw new Error(`${path}: inference_config has no number under ${wrong.join(', ')}; want them all, or options.scale`);
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
