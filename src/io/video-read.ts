/** Reading videos: animated WebP and GIF by sharp, everything else by ffmpeg. */
import { stat } from 'node:fs/promises';
import { extname } from 'node:path';
import sharp from 'sharp';
import { type Clip, createClip } from './clip.ts';
import { FfmpegError, findFfmpeg, runFfmpeg } from './video-ffmpeg.ts';

/** What of a video is read. */
export interface ReadVideoOptions {
  /** Most frames read, from the start. */
  maxFrames?: number;
  /** Frames a second to resample to; default: all frames as they are. */
  fps?: number;
}

/** Files that sharp decodes without ffmpeg. */
const animations: ReadonlySet<string> = new Set(['.webp', '.gif']);

/**
 * Reads a video as a clip: animated WebP and GIF directly, everything else through ffmpeg.
 *
 * @throws FfmpegError if the file is no video, or no ffmpeg is there to read it.
 */
export async function readVideo(path: string, options: ReadVideoOptions = {}): Promise<Clip> {
  const { maxFrames = Number.POSITIVE_INFINITY, fps } = options;
  if (!(maxFrames >= 1)) throw new RangeError(`maxFrames: wanted a number >= 1, received ${maxFrames}`);
  await stat(path);
  if (animations.has(extname(path).toLowerCase()) && fps === undefined) return readAnimation(path, maxFrames);
  const ffmpeg = await findFfmpeg();
  if (!ffmpeg) {
    throw new FfmpegError(
      `reading ${path} needs ffmpeg, and none was found in FFMPEG_BIN, ffmpeg-static, PATH or @ffmpeg-installer/ffmpeg: install one ` +
        '(`apt install ffmpeg`, `brew install ffmpeg`, `npm install @ffmpeg-installer/ffmpeg`), or convert the file to animated WebP',
    );
  }
  const limit = Number.isFinite(maxFrames) ? ['-frames:v', String(Math.floor(maxFrames))] : [];
  const resample = fps === undefined ? ['-vsync', '0'] : ['-r', String(fps)];
  const args = ['-i', path, '-map', '0:v:0', ...limit, ...resample, '-f', 'image2pipe', '-c:v', 'ppm', 'pipe:1'];
  const { output, messages } = await runFfmpeg(ffmpeg.path, args);
  const listed = /, ([\d.]+) fps/.exec(messages)?.[1];
  return clipOfPpm(output, fps ?? Number(listed ?? 25));
}

async function readAnimation(path: string, maxFrames: number): Promise<Clip> {
  const { pageOfFrame, fps } = animationTiming(await sharp(path).metadata(), Math.floor(maxFrames));
  const pages = pageOfFrame.at(-1)! + 1;
  const { data, info } = await sharp(path, { pages })
    .toColourspace('srgb')
    .removeAlpha()
    .raw()
    .toBuffer({ resolveWithObject: true });
  const size = data.length / pages;
  const values = new Float32Array(pageOfFrame.length * size);
  for (const [frame, page] of pageOfFrame.entries()) {
    for (let i = 0; i < size; i++) values[frame * size + i] = data[page * size + i]! / 255;
  }
  return createClip(values, { frames: pageOfFrame.length, height: info.height / pages, width: info.width, fps });
}

/** Binary PPM pictures one after the other: "P6", width, height, 255, then the pixels. */
function clipOfPpm(bytes: Buffer, fps: number): Clip {
  const header = /^P6\s+(\d+)\s+(\d+)\s+255\s/.exec(bytes.toString('latin1', 0, 64));
  if (!header) throw new FfmpegError(`ffmpeg decoded no frame (${bytes.length} bytes)`);
  const [width, height] = [Number(header[1]), Number(header[2])];
  const [size, stride] = [width * height * 3, width * height * 3 + header[0].length];
  const frames = Math.floor(bytes.length / stride);
  const data = new Float32Array(frames * size);
  for (let frame = 0; frame < frames; frame++) {
    const start = frame * stride + header[0].length;
    for (let i = 0; i < size; i++) data[frame * size + i] = bytes[start + i]! / 255;
  }
  return createClip(data, { frames, height, width, fps });
}

/** Milliseconds that a frame stays, as animations count them. */
export function frameDelay(fps: number): number {
  return Math.max(1, Math.round(1000 / fps));
}

/** What a file must say for all of its frames to be found again. */
export function timingNote({ frames, fps }: Clip): {
  readonly clip: { readonly frames: number; readonly fps: number };
} {
  return { clip: { frames, fps } };
}

/** What an animation says about itself. */
export interface AnimationHeader {
  readonly pages?: number | undefined;
  /** Milliseconds of each page. */
  readonly delay?: readonly number[] | undefined;
  readonly exif?: Uint8Array | undefined;
}

/** The pages of an animation in the order and number in which they are shown, one for each frame. */
export interface AnimationTiming {
  readonly pageOfFrame: readonly number[];
  readonly fps: number;
}

/** What browsers take for no delay at all. */
const absentDelay = 100;

/**
 * The frames of an animation, at most `maxFrames`. The rate is the one that {@link timingNote} left in the file, else
 * the shortest delay's.
 */
export function animationTiming({ pages = 1, delay = [], exif }: AnimationHeader, maxFrames: number): AnimationTiming {
  const delays = Array.from({ length: pages }, (_, page) => delay[page] || absentDelay);
  const noted = readNote(exif);
  const unit = noted ? frameDelay(noted.fps) : Math.min(...delays);
  const counts = noted && pages === 1 ? [noted.frames] : delays.map((ms) => Math.max(1, Math.round(ms / unit)));
  const pageOfFrame: number[] = [];
  for (const [page, count] of counts.entries()) {
    for (let i = 0; i < count && pageOfFrame.length < maxFrames; i++) pageOfFrame.push(page);
  }
  return { pageOfFrame, fps: noted?.fps ?? 1000 / unit };
}

/** Longer clips are no pictures that stand still; a file may say anything. */
const mostFrames = 100_000;

function readNote(exif: Uint8Array | undefined): { frames: number; fps: number } | null {
  const text = exif === undefined ? '' : Buffer.from(exif).toString('latin1');
  const [, frames, fps] = /"clip":\{"frames":(\d{1,9}),"fps":([\d.e+-]{1,30})\}/.exec(text) ?? [];
  const note = { frames: Number(frames), fps: Number(fps) };
  return note.frames >= 1 && note.frames <= mostFrames && note.fps > 0 ? note : null;
}
