/** Writing videos: H.264 in MP4 by ffmpeg, or animated WebP by sharp. */
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { extname, join } from 'node:path';
import sharp from 'sharp';
import { type Clip, createClip } from './clip.ts';
import { refusalOf, writeAtomic } from './files.ts';
import { enlargement, frameImage, type Provenance, type RgbImage } from './image.ts';
import { frameDelay, timingNote } from './video-animation.ts';
import { type Ffmpeg, FfmpegError, findFfmpeg, howToGetFfmpeg, runFfmpeg } from './video-ffmpeg.ts';

/** Codecs that clips are written with. */
export type VideoCodec = 'h264' | 'webp';

export interface VideoOptions {
  /**
   * `auto`: H.264 where an ffmpeg with x264 is found, else animated WebP.
   * @defaultValue 'auto'
   */
  codec?: VideoCodec | 'auto';
  /**
   * Whole factor by which pixels are repeated, so that a small video can be looked at.
   * @defaultValue 1
   */
  enlarge?: number;
  /**
   * 0 (smallest) to 100 (best).
   * @defaultValue 85
   */
  quality?: number;
  /** Texts stored in the file. */
  provenance?: Provenance;
}

/** An encoded clip; `codec` says which one was used. */
export interface EncodedVideo {
  bytes: Uint8Array;
  codec: VideoCodec;
  /** What encoded it: sharp, or an ffmpeg with the place where it was found. */
  encoder: 'sharp' | `ffmpeg (${Ffmpeg['from']})`;
  mime: 'video/mp4' | 'image/webp';
  height: number;
  width: number;
  frames: number;
  fps: number;
}

/**
 * Encodes a clip: H.264 in MP4 (yuv420p, BT.709, plays in every browser), or animated WebP, which needs no ffmpeg.
 *
 * @throws FfmpegError if H.264 is asked for and no ffmpeg can do it; RangeError for a clip with values that are not
 * finite, which would be black.
 */
export async function encodeVideo(clip: Clip, options: VideoOptions = {}): Promise<EncodedVideo> {
  const { codec = 'auto', enlarge = 1, quality = 85, provenance = {} } = options;
  if (!Number.isInteger(enlarge) || enlarge < 1) {
    throw new RangeError(`enlarge: wanted a whole factor >= 1, received ${enlarge}`);
  }
  checkFinite(clip);
  const job: Job = { clip, enlarge, quality, provenance };
  if (codec === 'webp') return encodeWebp(job);
  const ffmpeg = await findFfmpeg();
  if (codec === 'h264') {
    if (ffmpeg) return encodeH264(job, ffmpeg);
    throw new FfmpegError(`H.264 needs ffmpeg, and ${howToGetFfmpeg}, or use codec "webp"`);
  }
  if (!ffmpeg) return encodeWebp(job);
  return encodeH264(job, ffmpeg).catch((error: unknown) => {
    if (error instanceof FfmpegError) return encodeWebp(job);
    throw error;
  });
}

function checkFinite({ data, frames, height, width }: Clip): void {
  const at = data.findIndex((value) => !Number.isFinite(value));
  if (at < 0) return;
  const frame = Math.floor(at / (height * width * 3));
  throw new RangeError(
    `clip: wanted finite values, received ${data[at]} in frame ${frame} of ${frames}: are there broken weights?`,
  );
}

type Job = { clip: Clip } & Required<Omit<VideoOptions, 'codec'>>;

async function encodeH264({ clip, enlarge, quality, provenance }: Job, ffmpeg: Ffmpeg): Promise<EncodedVideo> {
  const { frames, fps } = clip;
  const { height, width } = even(frameImage(clip, 0, enlarge));
  const folder = await temporaryFolder();
  const path = join(folder, 'clip.mp4');
  try {
    const format = ['-f', 'rawvideo', '-pix_fmt', 'rgb24', '-s', `${width}x${height}`];
    const input = [...format, '-r', String(fps), '-i', 'pipe:0'];
    const colour = ['-colorspace', 'bt709', '-color_primaries', 'bt709', '-color_trc', 'bt709', '-pix_fmt', 'yuv420p'];
    const filter = ['-vf', 'scale=out_color_matrix=bt709:out_range=tv'];
    const rate = ['-c:v', 'libx264', '-crf', String(Math.round(38 - 0.25 * quality)), '-an'];
    const about = ['-metadata', `comment=${JSON.stringify(provenance)}`, '-movflags', '+faststart', path];
    await runFfmpeg(ffmpeg.path, [...input, ...filter, ...rate, ...colour, ...about], pixels(clip, enlarge));
    const encoder = `ffmpeg (${ffmpeg.from})` as const;
    return { bytes: await readFile(path), codec: 'h264', encoder, mime: 'video/mp4', height, width, frames, fps };
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

async function temporaryFolder(): Promise<string> {
  try {
    return await mkdtemp(join(tmpdir(), 'clip-'));
  } catch (error) {
    const why = `cannot make a folder in ${tmpdir()} (${refusalOf(error) ?? (error as Error).message})`;
    throw new Error(`${why}; set TMPDIR to one that can be written to`, { cause: error });
  }
}

function* pixels(clip: Clip, enlarge: number): Generator<Uint8Array> {
  for (let index = 0; index < clip.frames; index++) yield even(frameImage(clip, index, enlarge)).data;
}

/** yuv420p wants even sizes: an odd last row or column is repeated. */
function even(image: RgbImage): RgbImage {
  const [height, width] = [image.height + (image.height & 1), image.width + (image.width & 1)];
  if (height === image.height && width === image.width) return image;
  const data = new Uint8Array(height * width * 3);
  for (let y = 0; y < height; y++) {
    const start = Math.min(y, image.height - 1) * image.width * 3;
    const row = image.data.subarray(start, start + image.width * 3);
    data.set(row, y * width * 3);
    if (width > image.width) data.set(row.subarray(-3), (y * width + image.width) * 3);
  }
  return { data, height, width };
}

async function encodeWebp({ clip, enlarge, quality, provenance }: Job): Promise<EncodedVideo> {
  const { frames, fps } = clip;
  const images = Array.from({ length: frames }, (_, index) => frameImage(clip, index, enlarge));
  const { height, width } = images[0]!;
  const raw = { width, height: height * frames, channels: 3 as const, pageHeight: height };
  const bytes = await sharp(Buffer.concat(images.map(({ data }) => data)), { raw })
    .webp({ quality, lossless: enlarge > 1, loop: 0, delay: Array<number>(frames).fill(frameDelay(fps)) })
    .withExif({ IFD0: { ImageDescription: plainJson({ ...provenance, ...timingNote(clip) }) } })
    .toBuffer();
  return { bytes, codec: 'webp', encoder: 'sharp', mime: 'image/webp', height, width, frames, fps };
}

/** JSON without characters beyond ASCII, which is all that EXIF has. */
function plainJson(value: object): string {
  const escaped = (unit: string): string => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`;
  return JSON.stringify(value).replace(/[^\x20-\x7e]/g, escaped);
}

/**
 * Writes a clip as its extension says, .mp4 (H.264) or .webp; returns what was written.
 *
 * @example await writeVideo('out/cat.mp4', clip, { quality: 95 })
 */
export async function writeVideo(
  path: string,
  clip: Clip,
  options: Omit<VideoOptions, 'codec'> = {},
): Promise<EncodedVideo> {
  const codec = ({ '.mp4': 'h264', '.webp': 'webp' } as const)[extname(path).toLowerCase()];
  if (!codec) throw new RangeError(`path: videos are written as .mp4 or .webp, received "${path}"`);
  const encoded = await encodeVideo(clip, { ...options, codec });
  await writeAtomic(path, encoded.bytes);
  return encoded;
}

const extensions: Readonly<Record<VideoCodec, string>> = { h264: 'mp4', webp: 'webp' };

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
  const other = codec === 'h264' ? extensions.webp : extensions.h264;
  for (const [title, some] of Object.entries(clips)) {
    for (const [i, clip] of some.entries()) {
      const provenance = { title, prompt: prompts[i]! };
      const { bytes } = await encodeVideo(clip, { codec, enlarge: enlargement(clip), provenance });
      signal?.throwIfAborted();
      const name = `${title} ${prompts[i]}`.replaceAll(' ', '-');
      await writeAtomic(join(folder, `${name}.${extensions[codec]}`), bytes);
      await rm(join(folder, `${name}.${other}`), { force: true });
    }
  }
}
