/**
 * Animated WebP and GIF, decoded by sharp. Encoders of animations join equal frames that follow each other into one
 * that stays longer, and a clip that stands still into a plain picture; with the note that we leave in our own files
 * the frames can be told apart again. In files of other origin each picture is a frame: how long it stays is timing.
 */
import sharp from 'sharp';
import type { Clip } from './clip.ts';

/** Milliseconds that a frame stays, as animations count them. */
export function frameDelay(fps: number): number {
  return Math.max(1, Math.round(1000 / fps));
}

/** What a file must say for all of its frames to be found again. */
export function timingNote({ frames, fps }: Pick<Clip, 'frames' | 'fps'>): { clip: { frames: number; fps: number } } {
  return { clip: { frames, fps } };
}

/** The picture of each frame, in the order shown. */
export interface AnimationTiming {
  readonly pageOfFrame: readonly number[];
  readonly fps: number;
}

/** What browsers take for no delay at all. */
const absentDelay = 100;
/** A picture that stays longer is taken to stay so long when frames are resampled; a file may say anything. */
const longestDelay = 60_000;

/**
 * The frames of an animation. With `fps`, those shown at the times k / fps; else those of the note, if pictures and
 * delays agree with it, else each picture once, at the rate of the median delay.
 */
function timingOf(delays: readonly number[], exif: Uint8Array | undefined, fps: number | undefined): AnimationTiming {
  if (fps !== undefined) return { pageOfFrame: resampled(delays, fps), fps };
  const note = readNote(exif);
  if (note !== null) {
    const unit = frameDelay(note.fps);
    const counts = delays.length === 1 ? [note.frames] : delays.map((ms) => Math.max(1, Math.round(ms / unit)));
    const isWhole = counts.reduce((sum, count) => sum + count, 0) === note.frames;
    const pages = (): number[] => counts.flatMap((count, page) => new Array<number>(count).fill(page));
    if (isWhole) return { pageOfFrame: pages(), fps: note.fps };
  }
  const median = [...delays].sort((a, b) => a - b)[(delays.length - 1) >> 1]!;
  return { pageOfFrame: delays.map((_, page) => page), fps: 1000 / median };
}

function resampled(delays: readonly number[], fps: number): number[] {
  const pages: number[] = [];
  let end = 0;
  for (const [page, delay] of delays.entries()) {
    end += Math.min(delay, longestDelay);
    while ((1000 * pages.length) / fps < end) pages.push(page);
  }
  return pages;
}

/** Longer clips are no pictures that stand still. */
const mostFrames = 2 ** 14;

function readNote(exif: Uint8Array | undefined): Pick<Clip, 'frames' | 'fps'> | null {
  const text = exif === undefined ? '' : Buffer.from(exif).toString('latin1');
  const [, frames, fps] = /"clip":\{"frames":(\d{1,9}),"fps":([\d.e+-]{1,30})\}/.exec(text) ?? [];
  const note = { frames: Number(frames), fps: Number(fps) };
  return note.frames >= 1 && note.frames <= mostFrames && note.fps > 0 ? note : null;
}

/** An animation: its size, its rate, and its frames as 8-bit RGB [H, W, 3]. */
export interface Animation {
  readonly height: number;
  readonly width: number;
  readonly fps: number;
  frames(maxFrames: number): AsyncGenerator<Uint8Array>;
}

/** Pixels of the largest frame decoded: 8192 x 8192. */
export const maxPixels: number = 2 ** 26;

/** Decoded at once: pictures of an animation are coded as changes to the one before. */
const batchBytes = 2 ** 28;

/** Opens an animated WebP or GIF; reads its header. */
export async function openAnimation(path: string, fps: number | undefined): Promise<Animation> {
  const { pages = 1, delay = [], exif, width = 0, height = 0, pageHeight = height } = await sharp(path).metadata();
  const delays = Array.from({ length: pages }, (_, page) => delay[page] || absentDelay);
  const timing = timingOf(delays, exif, fps);
  const size = pageHeight * width * 3;
  if (pageHeight * width > maxPixels) throw new RangeError(`${width} x ${pageHeight} is more than ${maxPixels} pixels`);
  const batch = Math.max(1, Math.floor(batchBytes / size));
  async function* frames(maxFrames: number): AsyncGenerator<Uint8Array> {
    let [begin, decoded] = [0, Buffer.alloc(0)];
    const shown = timing.pageOfFrame.slice(0, maxFrames);
    const end = shown.at(-1)! + 1;
    for (const page of shown) {
      if (page >= begin + decoded.length / size) {
        begin = page;
        decoded = await decodePages(path, begin, Math.min(batch, end - begin));
      }
      yield decoded.subarray((page - begin) * size, (page - begin + 1) * size);
    }
  }
  return { height: pageHeight, width, fps: timing.fps, frames };
}

async function decodePages(path: string, page: number, pages: number): Promise<Buffer<ArrayBuffer>> {
  const picture = sharp(path, { page, pages }).toColourspace('srgb').removeAlpha();
  return (await picture.raw().toBuffer()) as Buffer<ArrayBuffer>;
}
