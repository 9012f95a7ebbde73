/** Clips to scrub through, alone or side by side. */

import type { MimeData } from '../../bridge.ts';
import { DISPLAY } from '../mime.ts';
import { type ClipLike, encodeFrames, poster, SMALL_WIDTH } from './frames.ts';
import { createWidget, type Widget } from './widget.ts';

interface CompareState {
  frame: number;
  frames: number;
  fps: number;
  titles: string[];
  widths: number[];
  isPixelated: boolean;
  /** Encoded frames, clip after clip. */
  pictures: Uint8Array[];
}

export interface ScrubOptions {
  /** Frame that is shown first. */
  frame?: number;
  /** Width of one clip on the page in pixels. Default: its own, at least 192. */
  width?: number;
}

/** A comparison in the notebook; `frame` follows the slider. */
export interface Comparison {
  /** The frame that is shown, from 0. */
  readonly frame: number;
  /** Moves the slider. */
  seek(frame: number): void;
  /** Hears of every move of the slider; returns the function that ends it. */
  onFrame(listener: (frame: number) => void): () => void;
  [DISPLAY](): Promise<MimeData>;
}

const MODULE = `
export default {
  render({ model, el }) {
    const pictures = model.get('pictures').map((bytes) => URL.createObjectURL(new Blob([bytes])));
    const frames = model.get('frames');
    const row = document.createElement('div');
    row.className = 'rf-row';
    const images = model.get('titles').map((title, i) => {
      const figure = document.createElement('figure');
      const image = document.createElement('img');
      image.width = model.get('widths')[i];
      image.alt = title;
      if (model.get('isPixelated')) image.style.imageRendering = 'pixelated';
      const caption = document.createElement('figcaption');
      caption.textContent = title;
      figure.append(image, caption);
      row.append(figure);
      return image;
    });
    const slider = Object.assign(document.createElement('input'), { type: 'range', min: 0, max: frames - 1, step: 1 });
    slider.className = 'rf-scrub';
    slider.setAttribute('aria-label', 'frame');
    const play = Object.assign(document.createElement('button'), { textContent: '▶', title: 'play' });
    const label = document.createElement('code');
    const draw = () => {
      const frame = model.get('frame');
      images.forEach((image, i) => { image.src = pictures[i * frames + frame]; });
      slider.value = frame;
      label.textContent = (frame + 1) + '/' + frames;
    };
    const seek = (frame) => { model.set('frame', frame); model.save_changes(); };
    let timer = null;
    const stop = () => { clearInterval(timer); timer = null; play.textContent = '▶'; };
    play.onclick = () => {
      if (timer) return stop();
      play.textContent = '❙❙';
      timer = setInterval(() => seek((model.get('frame') + 1) % frames), 1000 / model.get('fps'));
    };
    slider.oninput = () => { stop(); seek(Number(slider.value)); };
    model.on('change:frame', draw);
    const bar = document.createElement('div');
    bar.className = 'rf-bar';
    bar.append(play, slider, label);
    el.append(row, bar);
    draw();
    return () => { stop(); model.off('change:frame', draw); pictures.forEach((url) => URL.revokeObjectURL(url)); };
  },
};
`;

const CSS = `
.rf-row { display: flex; flex-wrap: wrap; gap: 12px; }
.rf-row figure { margin: 0; }
.rf-row figcaption { font-size: 12px; text-align: center; }
.rf-bar { display: flex; gap: 8px; align-items: center; margin-top: 6px; }
.rf-bar input { width: 16em; }
`;

const MIN_WIDTH = 192;

/** A slider that goes through the frames of a clip. */
export function scrub(clip: ClipLike, options: ScrubOptions = {}): Comparison {
  return compare({ [`${clip.frames} frames`]: clip }, options);
}

/** Clips side by side under one slider, by title: `widgets.compare({ teacher, student })`. All need as many frames. */
export function compare(clips: Readonly<Record<string, ClipLike>>, options: ScrubOptions = {}): Comparison {
  const all = Object.values(clips);
  const frames = checkFrames(clips);
  const made = makeWidget(clips, all, frames, options);
  let frame = clampFrame(options.frame ?? 0, frames);
  const listeners = new Set<(frame: number) => void>();
  void made.then(
    (widget) =>
      widget.onChange((changed) => {
        if (changed.frame === undefined) return;
        frame = changed.frame;
        for (const listener of listeners) listener(frame);
      }),
    () => {},
  );
  return {
    get frame() {
      return frame;
    },
    seek: (next) => {
      frame = clampFrame(next, frames);
      void made.then(
        (widget) => widget.set({ frame }),
        () => {},
      );
    },
    onFrame: (listener) => {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    [DISPLAY]: async () => (await made)[DISPLAY](),
  };
}

function checkFrames(clips: Readonly<Record<string, ClipLike>>): number {
  const counts = Object.entries(clips).map(([title, clip]) => `${title}: ${clip.frames}`);
  const [first] = Object.values(clips);
  if (!first) throw new RangeError('clips: received none; wanted at least one title with a clip');
  if (Object.values(clips).some((clip) => clip.frames !== first.frames)) {
    throw new RangeError(`clips: all need as many frames to share a slider, received ${counts.join(', ')}`);
  }
  return first.frames;
}

async function makeWidget(
  clips: Readonly<Record<string, ClipLike>>,
  all: readonly ClipLike[],
  frames: number,
  options: ScrubOptions,
): Promise<Widget<CompareState>> {
  const pictures = (await Promise.all(all.map(encodeFrames))).flat();
  const titles = Object.keys(clips);
  const state: CompareState = {
    frame: clampFrame(options.frame ?? 0, frames),
    frames,
    fps: all[0]?.fps ?? 8,
    titles,
    widths: all.map((clip) => options.width ?? Math.max(MIN_WIDTH, clip.width)),
    isPixelated: all.every((clip) => clip.width < SMALL_WIDTH),
    pictures,
  };
  const text = `<${titles.join(' | ')}: ${frames} frames, scrub in JupyterLab>`;
  return createWidget(state, { module: MODULE, css: CSS, text, png: await poster(all) });
}

function clampFrame(frame: number, frames: number): number {
  return Math.min(frames - 1, Math.max(0, Math.round(frame)));
}
