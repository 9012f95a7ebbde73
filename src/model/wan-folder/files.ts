/** Which files of a Wan2.1 folder hold which network, in the two published layouts. */

import { access } from 'node:fs/promises';
import { join } from 'node:path';

/** Paths of the files of a model. */
export interface WanFiles {
  /** The transformer: a safetensors file, its index, or a training checkpoint. */
  readonly dit: string;
  /** Its `config.json`, null where there is none. */
  readonly ditConfig: string | null;
  readonly vae: string;
  /** Diffusers only. */
  readonly vaeConfig: string | null;
  readonly text: string;
  readonly tokenizer: string;
}

type Part = 'dit' | 'vae' | 'text' | 'tokenizer';

const weights = 'diffusion_pytorch_model';

/** Where each part may lie, the official place first, then diffusers'. */
const places: Readonly<Record<Part, readonly string[]>> = {
  dit: [
    `${weights}.safetensors.index.json`,
    `${weights}.safetensors`,
    `transformer/${weights}.safetensors.index.json`,
    `transformer/${weights}.safetensors`,
  ],
  vae: ['Wan2.1_VAE.pth', 'Wan2.1_VAE.safetensors', `vae/${weights}.safetensors`],
  text: [
    'models_t5_umt5-xxl-enc-bf16.pth',
    'models_t5_umt5-xxl-enc-bf16.safetensors',
    'text_encoder/model.safetensors.index.json',
    'text_encoder/model.safetensors',
  ],
  tokenizer: ['google/umt5-xxl/tokenizer.json', 'tokenizer/tokenizer.json'],
};

/** What a missing part is called in a message: as the official repository has it. */
const published: Readonly<Record<Part, string>> = {
  dit: `${weights}.safetensors (or its .index.json with all parts)`,
  vae: 'Wan2.1_VAE.pth',
  text: 'models_t5_umt5-xxl-enc-bf16.pth',
  tokenizer: 'google/umt5-xxl/tokenizer.json',
};

/** How to get the files that a folder lacks. */
export const wanDownload: string =
  'https://huggingface.co/Wan-AI/Wan2.1-T2V-1.3B (or -14B) has them: ' +
  'hf download Wan-AI/Wan2.1-T2V-1.3B --local-dir FOLDER';

/**
 * The files of a folder in the layout of Wan-AI/Wan2.1-T2V-1.3B or of its `-Diffusers` twin.
 *
 * @param student - a training checkpoint that takes the transformer's place
 * @throws Error naming every missing file and where it is published.
 */
export async function findWanFiles(folder: string, student?: string): Promise<WanFiles> {
  const found = {
    dit: student ?? (await firstOf(folder, places.dit)),
    vae: await firstOf(folder, places.vae),
    text: await firstOf(folder, places.text),
    tokenizer: await firstOf(folder, places.tokenizer),
  };
  const { dit, vae, text, tokenizer } = found;
  if (dit === null || vae === null || text === null || tokenizer === null) throw missing(folder, found);
  const ditConfig = student === undefined ? await firstOf(folder, ['config.json', 'transformer/config.json']) : null;
  return { dit, vae, text, tokenizer, ditConfig, vaeConfig: await firstOf(folder, ['vae/config.json']) };
}

async function firstOf(folder: string, names: readonly string[]): Promise<string | null> {
  for (const name of names) {
    const path = join(folder, ...name.split('/'));
    const isThere = await access(path).then(
      () => true,
      () => false,
    );
    if (isThere) return path;
  }
  return null;
}

function missing(folder: string, found: Readonly<Record<Part, string | null>>): Error {
  const names = (Object.keys(published) as Part[]).filter((part) => found[part] === null);
  const list = names.map((part) => published[part]).join(', ');
  return new Error(`${folder} has no ${list}. ${wanDownload.replace('FOLDER', folder)}`);
}
