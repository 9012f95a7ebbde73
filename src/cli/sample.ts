/** `reward-forcing sample`: one clip of the small scale for a prompt. */

import { dirname, extname, join, resolve } from 'node:path';
import { dataset, io, nn, show, study } from '../index.ts';
import type { Clip } from '../io/clip.ts';
import { writeVideo } from '../io/video.ts';
import { startEngine } from './demo.ts';
import { UsageError } from './failure.ts';
import { interruptible } from './interrupt.ts';

/** Flags of a sample. */
export interface SampleFlags {
  seed: string;
  network: string;
  out?: string;
  weights?: string;
  engine: string;
  threads?: number;
}

const NETWORKS = ['teacher', 'distilled', 'ode', 'reward-forcing'];
const FORMATS = ['.mp4', '.webp', '.png'];

/** Samples a clip and writes it as .mp4, .webp, or as a sheet of its frames in .png. */
export async function sample(prompt: string, flags: SampleFlags): Promise<void> {
  if (!NETWORKS.includes(flags.network))
    throw new UsageError(`there is no network "${flags.network}": use ${NETWORKS.join(', ')}`);
  checkPrompt(prompt);
  const out = resolve(flags.out ?? (await defaultOut()));
  if (!FORMATS.includes(extname(out))) throw new UsageError(`--out is "${out}": use a file in ${FORMATS.join(', ')}`);
  await io.prepareFolder(dirname(out));
  await startEngine(flags);
  await interruptible(async (signal) => {
    const networks = await loadShipped(flags.weights);
    const clip = await draw(networks, prompt, flags);
    networks.dispose();
    signal.throwIfAborted();
    const provenance = { prompt, seed: flags.seed, network: flags.network };
    if (extname(out) === '.png') await show.frames(clip, { title: prompt, provenance }).save(out);
    else await writeVideo(out, clip, { provenance });
  });
  process.stdout.write(`wrote ${out}\n`);
}

function checkPrompt(prompt: string): void {
  try {
    dataset.digits.parseCaption(prompt);
  } catch (error) {
    const [example] = dataset.digits.prompts('all', 1);
    throw new UsageError(`${(error as Error).message}; for example "${example}"`, { cause: error });
  }
}

/** H.264 where it can be had, else animated WebP. */
async function defaultOut(): Promise<string> {
  const { kind } = await show.resolveEncoder();
  return join('out', kind === 'ffmpeg' ? 'sample.mp4' : 'sample.webp');
}

async function loadShipped(folder: string = study.shippedFolder()): Promise<study.Networks> {
  const manifest = await study.readManifest(folder);
  study.verifyWeights(folder, manifest);
  return study.loadNetworks(folder, manifest.recipe);
}

async function draw(networks: study.Networks, prompt: string, { seed, network }: SampleFlags): Promise<Clip> {
  const { teacher, distilled, students } = networks;
  const contestant = {
    teacher: { kind: 'teacher', net: teacher },
    distilled: { kind: 'distilled', net: distilled },
    ode: { kind: 'student', net: students.ode },
    'reward-forcing': { kind: 'student', net: students['reward-forcing'] },
  }[network] as Pick<study.Contestant, 'kind' | 'net'>;
  const key = nn.random.key(seed).stream('sample');
  const [clip] = await study.generateAll(networks, study.latentSampler(networks, contestant), [prompt], key);
  return clip!;
}
