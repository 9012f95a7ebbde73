/** Clips as files of a folder, in a codec that this machine has. */
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { type Clip, createClip, writeAtomic } from '../io/index.ts';
import { encodeVideo, type VideoCodec } from '../io/video.ts';

const EXTENSIONS: Readonly<Record<VideoCodec, string>> = { h264: 'mp4', webp: 'webp' };

/** The codec that clips of this run are written with, found by writing one; says so where there is no H.264. */
export async function probeCodec(onNotice: (notice: string) => void = () => undefined): Promise<VideoCodec> {
  const grey = createClip(new Float32Array(2 * 16 * 16 * 3).fill(0.5), { frames: 2, height: 16, width: 16, fps: 8 });
  const { codec } = await encodeVideo(grey, { codec: 'auto' });
  if (codec === 'webp') {
    onNotice(
      'no ffmpeg with H.264 was found: clips are written as animated WebP, which browsers show as well. For MP4, ' +
        'install ffmpeg or set FFMPEG_BIN to one.',
    );
  }
  return codec;
}

/** Clips by title, a clip for each prompt. */
export interface ClipsToWrite {
  clips: Readonly<Record<string, readonly Clip[]>>;
  prompts: readonly string[];
  codec: VideoCodec;
  signal?: AbortSignal | undefined;
}

/** Writes each clip as `title-prompt.mp4` or `.webp`, and removes the file of the other codec from an earlier run. */
export async function writeClips(folder: string, { clips, prompts, codec, signal }: ClipsToWrite): Promise<void> {
  const other = codec === 'h264' ? EXTENSIONS.webp : EXTENSIONS.h264;
  for (const [title, some] of Object.entries(clips)) {
    for (const [i, clip] of some.entries()) {
      const { bytes } = await encodeVideo(clip, { codec, provenance: { title, prompt: prompts[i]! } });
      signal?.throwIfAborted();
      const name = `${title} ${prompts[i]}`.replaceAll(' ', '-');
      await writeAtomic(join(folder, `${name}.${EXTENSIONS[codec]}`), bytes);
      await rm(join(folder, `${name}.${other}`), { force: true });
    }
  }
}
