/** A Wan2.1 folder as one object: transformer, VAE and text encoder, ready for the pipelines. */
import { join } from 'node:path';
import { elementCount } from '../../io/internal.ts';
import type { Net } from '../../nn/index.ts';
import { copiesUploads } from '../../nn/internal.ts';
import { type Checkpoint, openCheckpoint } from '../checkpoint/checkpoint.ts';
import { type LoadLoraOptions, layLora } from '../lora/load-lora.ts';
import { type LoraContent, readLora } from '../lora/read-lora.ts';
import type { Umt5Config } from '../text/umt5.ts';
import { type Umt5FileEncoder, umt5FileConfig, umt5FileEncoder } from '../text/umt5-file.ts';
import { openTokenizer } from '../tokenizer/tokenizer.ts';
import { vae } from '../vae/codec.ts';
import type { VaeConfig } from '../vae/config.ts';
import type { WanConfig } from '../wan/config.ts';
import { wan } from '../wan/pass.ts';
import { findWanFiles, type WanFiles } from './files.ts';
import {
  type KnownWan,
  type OpenedTransformer,
  openWanTransformer,
  recogniseTransformer,
  recogniseVae,
  type WanTransformerOptions,
} from './transformer.ts';

/** Options of {@link openWan}. */
export interface OpenWanOptions extends Omit<WanTransformerOptions, 'configFile'> {
  /** A training checkpoint (`self_forcing_dmd.pt`) in place of the folder's transformer. */
  readonly student?: string;
  /** The file of the transformer, where a folder has several. */
  readonly transformer?: string;
  /** LoRA files that lie over the transformer, one over the other; see `loadLora`. */
  readonly loras?: readonly WanLora[];
  /** Folder of encoded prompts; null encodes each time. @defaultValue `.prompts` in the model's folder */
  readonly promptCache?: string | null;
}

/** A LoRA file and how it is loaded. */
export interface WanLora extends Omit<LoadLoraOptions, 'trainable'> {
  readonly path: string;
}

interface WanFolder extends KnownWan {
  readonly files: WanFiles;
  /** Numbers of all LoRAs together. */
  readonly loraParameters: number;
  /** A student's checkpoint generates block by block. */
  readonly defaults: { readonly causal: boolean };
}

/** An open model. */
export interface OpenedWan extends WanFolder, OpenedTransformer {
  readonly decoder: Net<VaeConfig>;
  /** Reads the encoder when a prompt needs it, and keeps nothing of it. */
  readonly text: Umt5FileEncoder;
  /** Frees the weights. */
  dispose(): void;
}

/** What a folder holds, without its weights: `sampler.planMemory` says from it what a run will need. */
export interface WanDescription extends WanFolder {
  readonly net: { readonly config: WanConfig };
  readonly decoder: { readonly config: VaeConfig };
  readonly text: { readonly config: Umt5Config };
}

/**
 * Recognises a folder as `openWan` would open it, from names and shapes alone: in a moment, whatever the size.
 *
 * @throws Error as `openWan`.
 * @example sampler.planMemory(await model.describeWan('Wan2.1-T2V-14B', { blocks: 'file' }), {})
 */
export async function describeWan(folder: string, options: OpenWanOptions = {}): Promise<WanDescription> {
  const { blocks = 'resident' } = options;
  const files = await findWanFiles(folder, options.student ?? options.transformer);
  const { preset, config } = await recogniseTransformer(files.dit, { ...options, configFile: files.ditConfig });
  const { config: autoencoder } = await recogniseVaeFile(files);
  const loraParameters = await loraSizes(options.loras, config);
  const text = umt5FileConfig(await openCheckpoint(files.text));
  checkText(text, config);
  const defaults = { causal: options.student !== undefined };
  const known = { files, preset, blocks, loraParameters, defaults };
  return { ...known, net: { config }, decoder: { config: autoencoder }, text: { config: text } };
}

/**
 * Opens an official Wan2.1 folder (diffusion_pytorch_model*.safetensors, Wan2.1_VAE.pth, the umT5 encoder and its
 * tokenizer) or one in the layout of diffusers. By default all weights of the transformer lie on the engine, in
 * float32. For 832x480 and 81 frames 1.3B then needs about 13.6 GiB; `blocks: 'host-bfloat16'` (11.1 GiB) and `'file'` (8.5 GiB) fit into 12 GiB.
 * `sampler.planMemory(await model.describeWan(folder), request)` says before anything is read what a run needs.
 *
 * @throws Error naming the files that are missing and where they are published, or listing the weights that do not
 * fit; nothing stays in memory then.
 * @example
 * const wan = await model.openWan('Wan2.1-T2V-1.3B', { blocks: 'host-bfloat16' });
 * const [clip] = await sampler.generateClips(wan, { prompt: 'A cat runs.' });
 */
export async function openWan(folder: string, options: OpenWanOptions = {}): Promise<OpenedWan> {
  const { promptCache = join(folder, '.prompts') } = options;
  const files = await findWanFiles(folder, options.student ?? options.transformer);
  const { net: base, ...opened } = await openWanTransformer(files.dit, { ...options, configFile: files.ditConfig });
  const nets = [base];
  const release = (): void => {
    for (const each of nets) each.dispose();
  };
  try {
    let loraParameters = 0;
    for (const { path, ...rest } of options.loras ?? []) {
      const content = await readLora(path, base, rest);
      loraParameters += parametersIn(content);
      nets.push(layLora(nets.at(-1)!, content, { ...rest, trainable: false }));
    }
    const net = nets.at(-1)!;
    const text = await openText(files, net.config, promptCache);
    const { file, config } = await recogniseVaeFile(files);
    const entries = file.entries({ reuse: copiesUploads() });
    const decoder = await vae.load(config, entries, { trainable: false, about: { origin: files.vae } });
    const dispose = (): void => {
      release();
      decoder.dispose();
    };
    const defaults = { causal: options.student !== undefined };
    return { files, ...opened, loraParameters, defaults, net, decoder, text, dispose };
  } catch (error) {
    release();
    throw error;
  }
}

async function loraSizes(loras: readonly WanLora[] = [], config: WanConfig): Promise<number> {
  let count = 0;
  for (const { path, ...options } of loras) {
    count += parametersIn(await readLora(path, { architecture: wan, config }, options));
  }
  return count;
}

function parametersIn({ tensors }: LoraContent): number {
  return tensors.reduce((count, [, { shape }]) => count + elementCount(shape), 0);
}

async function openText(files: WanFiles, dit: WanConfig, cache: string | null): Promise<Umt5FileEncoder> {
  const tokenizer = await openTokenizer(files.tokenizer);
  const file = await openCheckpoint(files.text);
  const text = await umt5FileEncoder({ file, tokenizer, textLen: dit.text_len, cache });
  checkText(text.config, dit);
  return text;
}

function checkText({ dim }: Umt5Config, { text_dim }: WanConfig): void {
  if (dim === text_dim) return;
  throw new RangeError(`the text encoder is ${dim} wide and the transformer reads ${text_dim}: use its own`);
}

async function recogniseVaeFile(files: WanFiles): Promise<{ file: Checkpoint; config: VaeConfig }> {
  const file = await openCheckpoint(files.vae);
  return { file, config: await recogniseVae(file.shapes(), files.vae, files.vaeConfig) };
}
