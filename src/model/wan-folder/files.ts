/** Which files of a Wan2.1 folder hold which network: as published, as diffusers lays them out, or as ComfyUI names them. */
import { readdir } from 'node:fs/promises';
import { dirname, join } from 'node:path';

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

/** Where a part may lie: folders, and how its file is called there, the best name first. */
interface Places {
  readonly folders: readonly string[];
  readonly names: readonly RegExp[];
}

const diffusers = [
  /^diffusion_pytorch_model\.safetensors\.index\.json$/,
  /^diffusion_pytorch_model\.safetensors$/,
  /^diffusion_pytorch_model\.safetensors\.index\.\w+\.json$/,
  /^diffusion_pytorch_model\.\w+\.safetensors$/,
];

/** The official place first, then diffusers', then ComfyUI's; variants of precision (`.bf16`, `_fp16`) included. */
const places: Readonly<Record<Part, readonly Places[]>> = {
  dit: [
    { folders: ['', 'transformer'], names: diffusers },
    {
      folders: ['', 'diffusion_models', 'unet', 'split_files/diffusion_models'],
      names: [/^wan.*t2v.*\.(safetensors|pth|pt)$/i],
    },
  ],
  vae: [
    {
      folders: ['', 'vae', 'split_files/vae'],
      names: [/^Wan2\.1_VAE\.(pth|safetensors)$/, /^wan[_-]?2[._]1[_-]vae.*\.(pth|pt|safetensors)$/i],
    },
    { folders: ['vae'], names: diffusers },
  ],
  text: [
    { folders: [''], names: [/^models_t5_umt5-xxl-enc-.*\.(pth|safetensors)$/] },
    {
      folders: ['text_encoder'],
      names: [/^model\.safetensors\.index(\.\w+)?\.json$/, /^model(\.\w+)?\.safetensors$/],
    },
    {
      folders: ['', 'text_encoders', 'clip', 'split_files/text_encoders'],
      names: [/^(models_t5_)?umt5[_-]xxl.*\.(pth|safetensors)$/i],
    },
  ],
  tokenizer: [
    { folders: ['google/umt5-xxl', 'tokenizer', 'umt5-xxl', 'text_encoder', ''], names: [/^tokenizer\.json$/] },
  ],
};

/** What a missing part is called in a message: as the official repository has it. */
const published: Readonly<Record<Part, string>> = {
  dit: 'diffusion_pytorch_model.safetensors (or its .index.json with all parts)',
  vae: 'Wan2.1_VAE.pth',
  text: 'models_t5_umt5-xxl-enc-bf16.pth',
  tokenizer: 'google/umt5-xxl/tokenizer.json',
};

const fp8 = /fp8|f8_/i;

/**
 * The files of a folder in the layout of Wan-AI/Wan2.1-T2V-1.3B, of its `-Diffusers` twin, or with the names and folders
 * of ComfyUI; `dit` takes the transformer's place: one of several, or a training checkpoint.
 *
 * @throws Error naming every missing file and where it is published, or the transformers between which to choose.
 */
export async function findWanFiles(folder: string, dit?: string): Promise<WanFiles> {
  const listed = new Map<string, readonly string[]>();
  const find = async (part: Part): Promise<string[]> => candidates(folder, places[part], listed);
  const transformers = dit === undefined ? await find('dit') : [dit];
  if (transformers.length > 1) {
    const choice = `${transformers.join(', ')}; leave one of them there, or choose with { transformer: path }`;
    throw new Error(`${folder} has several transformers: ${choice}`);
  }
  const [text = null] = (await find('text')).sort((a, b) => Number(fp8.test(a)) - Number(fp8.test(b)));
  const [vae = null] = await find('vae');
  const [tokenizer = null] = await find('tokenizer');
  const found = { dit: transformers[0] ?? null, vae, text, tokenizer };
  if (found.dit === null || vae === null || text === null || tokenizer === null) throw missing(folder, found);
  const config = async (place: string): Promise<string | null> =>
    (await namesIn(place, listed)).includes('config.json') ? join(place, 'config.json') : null;
  const ditConfig = dit === undefined ? ((await config(dirname(found.dit))) ?? (await config(folder))) : null;
  return { dit: found.dit, vae, text, tokenizer, ditConfig, vaeConfig: await config(join(folder, 'vae')) };
}

/** The files of the first name that is there; several where a pattern fits several. */
async function candidates(
  folder: string,
  all: readonly Places[],
  listed: Map<string, readonly string[]>,
): Promise<string[]> {
  for (const { folders, names } of all) {
    for (const within of folders) {
      const place = join(folder, ...within.split('/'));
      const there = await namesIn(place, listed);
      for (const name of names) {
        const found = there.filter((file) => name.test(file));
        if (found.length > 0) return found.sort().map((file) => join(place, file));
      }
    }
  }
  return [];
}

async function namesIn(place: string, listed: Map<string, readonly string[]>): Promise<readonly string[]> {
  const known = listed.get(place);
  if (known !== undefined) return known;
  const names = await readdir(place).catch(() => []);
  listed.set(place, names);
  return names;
}

function missing(folder: string, found: Readonly<Record<Part, string | null>>): Error {
  const names = (Object.keys(published) as Part[]).filter((part) => found[part] === null);
  const list = names.map((part) => published[part]).join(', ');
  return new Error(
    `${folder} has no ${list}. https://huggingface.co/Wan-AI/Wan2.1-T2V-1.3B (or -14B) has them: ` +
      `hf download Wan-AI/Wan2.1-T2V-1.3B --local-dir ${folder}`,
  );
}
