/** `reward-forcing sample`: one clip of the small scale for a prompt. */
import { dirname, extname, join, resolve } from 'node:path';
import { nn, sampler, show, study, type world } from '../index.ts';
import { type Clip, writeVideo } from '../io/index.ts';
import { findFfmpeg, prepareFolder } from '../io/internal.ts';
import { readManifest } from '../study/internal.ts';
import { worldOf } from '../world/internal.ts';
import { interruptible, UsageError } from './failure.ts';
import { type EngineFlags, startEngine } from './start-engine.ts';

export interface SampleFlags extends EngineFlags {
  seed: string;
  /** Default reward-forcing. */
  network?: string;
  out?: string;
  weights?: string;
}

/** What each network is in a comparison. */
const networks: Readonly<Record<string, world.OutcomeId>> = {
  teacher: 'teacher',
  distilled: 'distilled',
  ode: 'phase 1',
  'reward-forcing': 'phase 2',
};

/** Samples a clip and writes it as .mp4, .webp, or as a sheet of its frames in .png. */
export async function sample(prompt: string, { network = 'reward-forcing', ...flags }: SampleFlags): Promise<void> {
  const outcome = Object.hasOwn(networks, network) ? networks[network] : undefined;
  if (!outcome) {
    throw new UsageError(`there is no network "${network}": use ${Object.keys(networks).join(', ')}`);
  }
  const folder = flags.weights ?? study.shippedFolder();
  const { recipe } = await readManifest(folder);
  checkPrompt(worldOf(recipe.world), prompt);
  const out = await prepareClipFile(flags.out);
  await startEngine(flags);
  await interruptible(async (signal) => {
    const nets = await study.open(folder);
    const { net, kind } = study.contestant(nets, outcome);
    const key = nn.random.key(flags.seed).stream('sample');
    const [clip] = await sampler
      .generateClips(nets.video(net, kind), { prompt, key, signal })
      .finally(() => nets.dispose());
    await writeClip(out, clip!, { prompt, seed: flags.seed, network });
  }, 'nothing was written');
  process.stdout.write(`wrote ${out}\n`);
}

function checkPrompt({ check }: world.World, prompt: string): void {
  try {
    check(prompt);
  } catch (error) {
    throw new UsageError((error as Error).message, { cause: error });
  }
}

const formats = ['.mp4', '.webp', '.png'];

/**
 * Path of the clip, in a folder that is there; by default H.264 where it can be had, else animated WebP.
 *
 * @throws UsageError if the clip could not be written: before the hours that it may take.
 */
export async function prepareClipFile(wanted: string | undefined): Promise<string> {
  const hasFfmpeg = (await findFfmpeg()) !== null;
  const out = resolve(wanted ?? join('out', hasFfmpeg ? 'sample.mp4' : 'sample.webp'));
  const ending = extname(out);
  if (!formats.includes(ending)) throw new UsageError(`--out is "${out}": use a file in ${formats.join(', ')}`);
  if (ending === '.mp4' && !hasFfmpeg) {
    const help = '"reward-forcing doctor" says how to get it, or use .webp';
    throw new UsageError(`--out is "${out}", and MP4 needs ffmpeg: ${help}`);
  }
  await prepareFolder(dirname(out));
  return out;
}

/** Writes a clip as video or, in .png, as a sheet of its frames, with its settings inside. */
export async function writeClip(out: string, clip: Clip, provenance: Readonly<Record<string, string>>): Promise<void> {
  const title = provenance['prompt'] ?? '';
  if (extname(out) === '.png') await show.frames(clip, { title, provenance }).save(out);
  else await writeVideo(out, clip, { provenance });
}
