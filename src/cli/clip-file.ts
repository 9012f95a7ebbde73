/** The file that a sampled clip is written to. */

import { dirname, extname, join, resolve } from 'node:path';
import { show } from '../index.ts';
import { type Clip, writeVideo } from '../io/index.ts';
import { prepareFolder } from '../io/internal.ts';
import { UsageError } from './failure.ts';

const formats = ['.mp4', '.webp', '.png'];

/**
 * Path of the clip, in a folder that is there; by default H.264 where it can be had, else animated WebP.
 *
 * @throws UsageError if the clip could not be written: before the hours that it may take.
 */
export async function prepareClipFile(wanted: string | undefined): Promise<string> {
  const hasFfmpeg = (await show.resolveEncoder()).kind === 'ffmpeg';
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
