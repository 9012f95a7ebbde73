/** Reading videos, frame by frame: animated WebP and GIF by sharp, everything else by ffmpeg. */
import { readRange, withFile } from './bytes.ts';
import { type Clip, createClip } from './clip.ts';
import type { RgbImage } from './image.ts';
import { maxPixels, openAnimation } from './video-animation.ts';
import { FfmpegError, type FfmpegRun, findFfmpeg, howToGetFfmpeg, startFfmpeg } from './video-ffmpeg.ts';

export interface OpenVideoOptions {
  /**
   * Most frames read, from the start.
   * @defaultValue all
   */
  maxFrames?: number;
  /**
   * Frames a second to resample to.
   * @defaultValue all frames as they are
   */
  fps?: number;
}

/** What of a video is read, and how much memory it may take. */
export interface ReadVideoOptions extends OpenVideoOptions {
  /**
   * Most bytes of the clip, which takes 12 for each pixel of each frame.
   * @defaultValue 2 GiB
   */
  maxBytes?: number;
}

/** An open video: its frames, once, as 8-bit RGB [H, W, 3] each. */
export interface VideoReader extends AsyncIterable<Uint8Array> {
  readonly height: number;
  readonly width: number;
  /** Frames a second. */
  readonly fps: number;
  /** Ends the reading; needed only where the frames are not asked for. */
  close(): Promise<void>;
}

/**
 * Opens a video whose frames come one at a time, so that its length does not matter. Only what is in the file itself is
 * decoded: playlists and scripts that name other files are refused. Of pictures with transparency the colours are
 * taken; more than 8 bits are rounded to 8; rotation is applied.
 *
 * @throws FfmpegError if the file is no video, or no ffmpeg is there to read it.
 * @example for await (const frame of await openVideo('cat.mp4')) mean += frame[0]!;
 */
export async function openVideo(path: string, options: OpenVideoOptions = {}): Promise<VideoReader> {
  const { maxFrames = Number.POSITIVE_INFINITY, fps } = options;
  if (!(maxFrames >= 1)) throw new RangeError(`maxFrames: wanted a number >= 1, received ${maxFrames}`);
  if (fps !== undefined && !(fps > 0 && fps <= 1000)) {
    throw new RangeError(`fps: wanted a number above 0, at most 1000, received ${fps}`);
  }
  if (!(await isAnimation(path))) return openByFfmpeg(path, { ...options, maxFrames });
  const { frames, ...about } = await openAnimation(path, fps).catch((error: Error) => {
    throw new FfmpegError(`cannot read ${path}: ${error.message}`, { cause: error });
  });
  const reader = frames(maxFrames);
  return { ...about, [Symbol.asyncIterator]: () => reader, close: async () => void reader.return(null) };
}

/**
 * Reads a video as a clip: all of {@link openVideo}'s frames at once.
 *
 * @throws RangeError for a clip of more than `maxBytes`; FfmpegError if the file is no video, or no ffmpeg is there.
 * @example const clip = await readVideo('cat.mp4', { maxFrames: 81 })
 */
export async function readVideo(
  path: string,
  { maxBytes = 2 ** 31, ...options }: ReadVideoOptions = {},
): Promise<Clip> {
  const video = await openVideo(path, options);
  const { height, width, fps } = video;
  const size = height * width * 3;
  const most = Math.floor(maxBytes / (4 * size));
  const frames: Uint8Array[] = [];
  for await (const frame of video) {
    if (frames.push(frame) > most) {
      throw new RangeError(
        `${path}: a clip of more than ${most} frames of ${width} x ${height} takes more than ${maxBytes} bytes; read ` +
          'it frame by frame with openVideo, or give maxFrames or a larger maxBytes',
      );
    }
  }
  const data = new Float32Array(frames.length * size);
  for (const [index, frame] of frames.entries()) {
    for (let i = 0; i < size; i++) data[index * size + i] = frame[i]! / 255;
  }
  return createClip(data, { frames: frames.length, height, width, fps });
}

/** Whether sharp decodes a file: by its first bytes, whatever its name. */
async function isAnimation(path: string): Promise<boolean> {
  return withFile(path, async (file) => {
    const { size } = await file.stat();
    const start = Buffer.from(await readRange(file, 0, Math.min(size, 12))).toString('latin1');
    return start.startsWith('GIF8') || /^RIFF.{4}WEBP/s.test(start);
  });
}

/**
 * Containers that hold their video themselves. Whatever else ffmpeg knows (playlists, scripts of files, patterns of
 * names, devices) may read other files than the one that was asked for.
 */
const containers =
  'mov,matroska,avi,mpegts,mpeg,mpegvideo,flv,asf,ogg,ivf,obu,av1,h264,hevc,m4v,mxf,nut,dv,gif,apng,rm,wtv,' +
  'yuv4mpegpipe,png_pipe,jpeg_pipe';
/** How programs are told to keep all frames as they are: since ffmpeg 5.1, and before. */
const passthrough = { now: ['-fps_mode', 'passthrough'], old: ['-vsync', '0'] };
const oldPrograms = new Set<string>();

async function openByFfmpeg(path: string, { maxFrames, fps }: OpenVideoOptions & { maxFrames: number }) {
  const ffmpeg = await findFfmpeg();
  if (!ffmpeg) {
    if (/\.(?:webp|gif)$/i.test(path)) {
      throw new FfmpegError(`cannot read ${path}: it begins as neither WebP nor GIF does; is the file whole?`);
    }
    throw new FfmpegError(`reading ${path} needs ffmpeg, and ${howToGetFfmpeg}, or convert the file to animated WebP`);
  }
  const guard = ['-protocol_whitelist', 'file', '-format_whitelist', containers, '-max_pixels', String(maxPixels)];
  const limit = Number.isFinite(maxFrames) ? ['-frames:v', String(Math.floor(maxFrames))] : [];
  const start = (): Promise<VideoReader | null> => {
    const keep = oldPrograms.has(ffmpeg.path) ? passthrough.old : passthrough.now;
    const rate = fps === undefined ? keep : ['-r', String(fps)];
    const pictures = ['-pix_fmt', 'rgb24', '-f', 'image2pipe', '-c:v', 'ppm', 'pipe:1'];
    const args = [...guard, '-i', `file:${path}`, '-map', '0:v:0', ...limit, ...rate, ...pictures];
    return decoded(path, startFfmpeg(ffmpeg.path, args, false), fps);
  };
  const reader = await start();
  if (reader !== null) return reader;
  oldPrograms.add(ffmpeg.path);
  return (await start())!;
}

/** Waits for the first frame; null from a program that does not know the option of today. */
async function decoded(path: string, run: FfmpegRun, fps: number | undefined): Promise<VideoReader | null> {
  const pictures = ppmPictures(run.child.stdout!);
  const first = await pictures.next();
  if (first.done === true) {
    try {
      await run.ended;
    } catch (error) {
      if (/Unrecognized option 'fps_mode'/.test(run.said())) return null;
      throw error instanceof FfmpegError ? new FfmpegError(`cannot read ${path}: ${error.message}`) : error;
    }
    throw new FfmpegError(`cannot read ${path}: ffmpeg decoded no frame`);
  }
  await run.says('Output #0'); // the input was described before
  const listed = /, ([\d.]+) fps/.exec(run.said())?.[1];
  const { height, width } = first.value;
  const firstFrame = first.value.data;
  async function* frames(): AsyncGenerator<Uint8Array> {
    try {
      yield firstFrame;
      for await (const { data } of pictures) yield data;
      await run.ended;
    } finally {
      run.child.kill();
    }
  }
  const reader = frames();
  const close = async (): Promise<void> => {
    run.child.kill();
    await reader.return(null);
  };
  return { height, width, fps: fps ?? Number(listed ?? 25), [Symbol.asyncIterator]: () => reader, close };
}

/** Binary PPM pictures one after the other: "P6", width, height, 255, then the pixels. */
async function* ppmPictures(chunks: AsyncIterable<Buffer>): AsyncGenerator<RgbImage, void> {
  let header = '';
  let picture: RgbImage | null = null;
  let filled = 0;
  for await (const chunk of chunks) {
    for (let at = 0; at < chunk.length; ) {
      if (picture === null) {
        header += String.fromCharCode(chunk[at++]!);
        const [, width, height] = /^P6\s+(\d+)\s+(\d+)\s+255\s$/.exec(header)?.map(Number) ?? [];
        if (width === undefined || height === undefined) continue;
        picture = { data: new Uint8Array(width * height * 3), height, width };
        [header, filled] = ['', 0];
      } else {
        const count = Math.min(chunk.length - at, picture.data.length - filled);
        picture.data.set(chunk.subarray(at, at + count), filled);
        at += count;
        filled += count;
        if (filled < picture.data.length) continue;
        yield picture;
        picture = null;
      }
    }
  }
}
