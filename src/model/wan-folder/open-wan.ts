/** A Wan2.1 folder as one object: transformer, VAE and text encoder, ready for the pipelines. */
import { join } from 'node:path';
import { type HostTensor, hostTensor, toBfloat16, toFloat32 } from '../../io/index.ts';
import { checkShapes, type Shapes, type Weights } from '../../nn/index.ts';
import { type Checkpoint, openCheckpoint } from '../checkpoint.ts';
import { openTokenizer, type Umt5FileEncoder, umt5FileEncoder } from '../text/index.ts';
import { loadVae, type VaeConfig } from '../vae/index.ts';
import { loadWan, swappedWan, type WanConfig, type WanPreset, type WanWeights, wanShapes } from '../wan/index.ts';
import { findWanFiles, type WanFiles } from './files.ts';
import { type RecognisedWan, readJson, recogniseVae, recogniseWan } from './recognise.ts';

/**
 * Where the weights of the transformer's blocks are between passes: on the engine in float32, in host memory as the
 * file has them, in host memory in bfloat16, or in the file alone.
 */
export type BlockPlace = 'resident' | 'host' | 'host-bfloat16' | 'file';

/** Options of {@link openWan}. */
export interface OpenWanOptions {
  /** Default: recognised from config.json and shapes. */
  readonly preset?: WanPreset;
  /** Keys that win over the recognised ones, for example `{ local_attn_size: 12 }` of a causal student. */
  readonly config?: Partial<WanConfig>;
  /** A training checkpoint (`self_forcing_dmd.pt`) in place of the folder's transformer. */
  readonly student?: string;
  /** Key of the training checkpoint (default: the averaged generator, else the generator). */
  readonly part?: string;
  /** Default `resident`. */
  readonly blocks?: BlockPlace;
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
  const files = await findWanFiles(folder, options.student);
  const { promptCache = join(folder, '.prompts'), blocks = 'resident' } = options;
  const ditFile = await openCheckpoint(files.dit, options.part === undefined ? {} : { part: options.part });
  const recognised = await recognise(ditFile, files, options);
  const { config, preset } = recognised;
  const tokenizer = await openTokenizer(files.tokenizer);
  const textFile = await openCheckpoint(files.text);
  const text = await umt5FileEncoder({ file: textFile, tokenizer, textLen: config.text_len, cache: promptCache });
  checkTextWidth(config, text);
  const vaeFile = await openCheckpoint(files.vae);
  const vaeConfig = await recogniseVae(shapesOf(vaeFile), files.vae, files.vaeConfig);
  const vae = { config: vaeConfig, weights: await loadVae(vaeConfig, vaeFile.entries(), { trainable: false }) };
  try {
    const weights = await loadBlocks(ditFile, recognised, blocks);
    const dispose = (): void => {
      weights.dispose();
      vae.weights.dispose();
    };
    return { files, preset, blocks, dit: { config, weights }, vae, text, dispose };
  } catch (error) {
    vae.weights.dispose();
    throw error;
  }
}

async function recognise(file: Checkpoint, files: WanFiles, options: OpenWanOptions): Promise<RecognisedWan> {
  const json = files.ditConfig === null ? undefined : await readJson(files.ditConfig);
  const found = recogniseWan(shapesOf(file), { preset: options.preset, json, config: options.config });
  const { places, config } = found;
  const received = new Map([...places].map(([name, place]) => [name, file.info(place).shape]));
  received.delete(''); // parts that are not the transformer's
  checkShapes(received, wanShapes(config), file.path);
  return found;
}

function shapesOf(file: Checkpoint): Shapes {
  return new Map(file.names().map((name) => [name, file.info(name).shape]));
}

function checkTextWidth({ text_dim }: WanConfig, { config }: Umt5FileEncoder): void {
  if (config.dim === text_dim) return;
  throw new RangeError(`the text encoder is ${config.dim} wide and the transformer reads ${text_dim}: use its own`);
}

async function loadBlocks(
  file: Checkpoint,
  { config, places }: RecognisedWan,
  blocks: BlockPlace,
): Promise<Weights | ReturnType<typeof swappedWan>> {
  if (blocks === 'resident') return loadWan(config, file.entries(), { trainable: false });
  if (blocks === 'file') {
    const { readSync } = file;
    if (readSync !== undefined) return swappedWan(config, { read: (name) => readSync(places.get(name)!) });
    throw new RangeError(`blocks: "file" wants a safetensors file, received ${file.path}; use "host"`);
  }
  const held = new Map<string, HostTensor>();
  for (const name of wanShapes(config).keys()) {
    const read = await file.read(places.get(name)!);
    held.set(name, blocks === 'host' ? read : narrowed(read));
  }
  return swappedWan(config, { read: (name) => held.get(name)! });
}

/** Half the bytes of float32; what is narrow already stays as it is. */
function narrowed(tensor: HostTensor): HostTensor {
  if (tensor.dtype !== 'float32' && tensor.dtype !== 'float64') return tensor;
  return hostTensor('bfloat16', tensor.shape, toBfloat16(toFloat32(tensor)));
}
