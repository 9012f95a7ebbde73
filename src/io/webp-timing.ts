/**
 * How long frames stay. Encoders of animations join equal frames that follow each other into one that stays longer,
 * and a clip that stands still into a plain picture; with the rate known the frames can be told apart again.
 */
import type { Clip } from './clip.ts';

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
