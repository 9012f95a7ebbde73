import { stat } from 'node:fs/promises';
import { extname } from 'node:path';
import sharp from 'sharp';
import { type Clip, createClip } from './clip.ts';
import { FfmpegError, findFfmpeg, runFfmpeg } from './video-ffmpeg.ts';
import { animationTiming } from './webp-timing.ts';

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
