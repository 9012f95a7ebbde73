/** A Wan2.1 folder as one object: transformer, VAE and text encoder, ready for the pipelines. */
import { join } from 'node:path';
import type { Weights } from '../../nn/index.ts';
import { openCheckpoint } from '../checkpoint.ts';
import { openTokenizer, type Umt5FileEncoder, umt5FileEncoder } from '../text/index.ts';
import { loadVae, type VaeConfig } from '../vae/index.ts';
import type { WanConfig, WanPreset, WanWeights } from '../wan/index.ts';
import { findWanFiles, type WanFiles } from './files.ts';
import { recogniseVae } from './recognise.ts';
import { type BlockPlace, openWanTransformer, shapesOf, type WanTransformerOptions } from './transformer.ts';

/** Options of {@link openWan}. */
export interface OpenWanOptions extends Omit<WanTransformerOptions, 'configFile'> {
  /** A training checkpoint (`self_forcing_dmd.pt`) in place of the folder's transformer. */
  readonly student?: string;
  /** Folder of encoded prompts (default `.prompts` in the model's folder); null encodes each time. */
  readonly promptCache?: string | null;
}

/** An open model. */
export interface OpenedWan {
  readonly files: WanFiles;
  /** Null for sizes that are none of the presets'. */
  readonly preset: WanPreset | null;
  readonly blocks: BlockPlace;
  readonly dit: { readonly weights: WanWeights; readonly config: WanConfig };
  readonly vae: { readonly weights: Weights; readonly config: VaeConfig };
  /** Reads the encoder when a prompt needs it, and keeps nothing of it. */
  readonly text: Umt5FileEncoder;
  /** Frees the weights. */
  dispose(): void;
}

/**
 * Opens an official Wan2.1 folder (diffusion_pytorch_model*.safetensors, Wan2.1_VAE.pth, the umT5 encoder and its
 * tokenizer) or one in the layout of diffusers.
 *
 * @throws Error naming the files that are missing and where they are published, or listing the weights that do not
 * fit; nothing stays in memory then.
 * @example
 * const wan = await model.openWan('Wan2.1-T2V-1.3B', { blocks: 'host-bfloat16' });
 * for await (const frames of sampler.generate(wan, { prompt: 'A cat runs.' })) await show(frames);
 */
export async function openWan(folder: string, options: OpenWanOptions = {}): Promise<OpenedWan> {
  const { promptCache = join(folder, '.prompts') } = options;
  const files = await findWanFiles(folder, options.student);
  const dit = await openWanTransformer(files.dit, { ...options, configFile: files.ditConfig });
  try {
    const text = await openText(files, dit.config, promptCache);
    const vae = await openVae(files);
    const dispose = (): void => {
      dit.weights.dispose();
      vae.weights.dispose();
    };
    return { files, preset: dit.preset, blocks: dit.blocks, dit, vae, text, dispose };
  } catch (error) {
    dit.weights.dispose();
    throw error;
  }
}

async function openText(
  files: WanFiles,
  { text_len, text_dim }: WanConfig,
  cache: string | null,
): Promise<Umt5FileEncoder> {
  const tokenizer = await openTokenizer(files.tokenizer);
  const text = await umt5FileEncoder({ file: await openCheckpoint(files.text), tokenizer, textLen: text_len, cache });
  if (text.config.dim === text_dim) return text;
  throw new RangeError(
    `the text encoder is ${text.config.dim} wide and the transformer reads ${text_dim}: use its own`,
  );
}

async function openVae(files: WanFiles): Promise<OpenedWan['vae']> {
  const file = await openCheckpoint(files.vae);
  const config = await recogniseVae(shapesOf(file), files.vae, files.vaeConfig);
  return { config, weights: await loadVae(config, file.entries(), { trainable: false }) };
}
