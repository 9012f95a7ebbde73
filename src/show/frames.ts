import { type Clip, createClip, type HostTensor, type RgbImage } from '../io/index.ts';
import { frameImage } from '../io/internal.ts';
import { type Figure, type FigureOptions, figure } from './figure.ts';
import { drawSheet, fitImage, fitText, headingStyle, noteStyle, pixelRatio, type Sheet, titleStyle } from './theme.ts';

/** Clips to show: one, a list, or by title. */
export type Clips = Clip | readonly Clip[] | Readonly<Record<string, Clip>>;

export interface FramesOptions extends FigureOptions {
  /** Frames shown of each clip, evenly spread from the first to the last. */
  count?: number;
  /** Width of the figure. */
  width?: number;
  /** What stands below a frame. @defaultValue its number, from 0 */
  label?: (title: string, index: number) => string;
}

/** Clips with their titles ('' where there is none). */
export function titled(clips: Clips): [title: string, clip: Clip][] {
  if (Array.isArray(clips)) return clips.map((clip: Clip) => ['', clip]);
  if (ArrayBuffer.isView((clips as Clip).data)) return [['', clips as Clip]];
  return Object.entries(clips as Readonly<Record<string, Clip>>);
}

/** `count` indices spread evenly over 0..frames-1, both ends included, none twice. */
export function spreadIndices(frames: number, count: number): number[] {
  if (count >= frames) return Array.from({ length: frames }, (_, i) => i);
  if (count === 1) return [frames - 1];
  return Array.from({ length: count }, (_, i) => Math.round((i * (frames - 1)) / (count - 1)));
}

interface Row {
  title: string;
  labels: string[];
  images: RgbImage[];
}

/**
 * Rows of frames, one for each clip, with titles above and frame numbers below.
 *
 * @example frames({ 'before': clipA, 'after 200 updates': clipB }, { count: 9 })
 */
export function frames(clips: Clips, options: FramesOptions = {}): Figure {
  const rows = titled(clips);
  if (rows.length === 0) throw new RangeError('clips: none given; give a clip, or an object of clips by title');
  const { count = 9 } = options;
  if (!Number.isInteger(count) || count < 1)
    throw new RangeError(`count: wanted a whole number >= 1, received ${count}`);
  const names = rows.map(
    ([name, { frames: total, height, width }]) => `${name || 'clip'} (${total} × ${height} × ${width})`,
  );
  return figure(options, {
    text: `frames of ${names.join(', ')}`,
    png: async () => drawSheet(await layout(rows, options)),
  });
}

const [gap, margin, titleHeight, noteHeight] = [4, 12, 20, 14];

async function layout(clips: [string, Clip][], options: FramesOptions): Promise<Sheet> {
  const { title, count = 9, width = 900, label = (_: string, index: number) => String(index) } = options;
  const room = Math.min(160, (width - 2 * margin - (count - 1) * gap) / count);
  const rows = await Promise.all(clips.map(([name, clip]) => rowOf(name, clip, count, room, label)));
  const sheet: Sheet = { width: Math.max(240, ...rows.map(rowWidth)), height: margin, images: [], texts: [] };
  const put = (text: string, style: typeof titleStyle): void => {
    const fitted = fitText(text, sheet.width - 2 * margin, style.size!, 'bold');
    sheet.texts.push({ text: fitted, x: margin, y: sheet.height + 13, style });
  };
  if (title) {
    put(title, headingStyle);
    sheet.height += 26;
  }
  for (const row of rows) {
    if (row.title) {
      put(row.title, titleStyle);
      sheet.height += titleHeight;
    }
    placeRow(row, sheet);
  }
  return { ...sheet, height: sheet.height + margin - 6 };
}

function rowWidth({ images }: Row): number {
  return 2 * margin + images.reduce((sum, image) => sum + image.width / pixelRatio + gap, -gap);
}

/** Puts a row's frames and their labels below what is on the sheet. */
function placeRow({ images, labels }: Row, sheet: Sheet): void {
  let x = margin;
  const height = Math.max(...images.map((image) => image.height / pixelRatio));
  images.forEach((image, i) => {
    const width = image.width / pixelRatio;
    const text = fitText(labels[i]!, width, noteStyle.size!);
    sheet.images.push({ image, x, y: sheet.height });
    sheet.texts.push({ text, x: x + width / 2, y: sheet.height + height + 11, style: noteStyle });
    x += width + gap;
  });
  sheet.height += height + noteHeight + 8;
}

type Label = NonNullable<FramesOptions['label']>;

async function rowOf(title: string, clip: Clip, count: number, room: number, label: Label): Promise<Row> {
  const indices = spreadIndices(clip.frames, count);
  const images = await Promise.all(indices.map((index) => fitImage(frameImage(clip, index), room)));
  return { title, labels: indices.map((index) => label(title, index)), images };
}

/** Side of a mask's picture in pixels, however many tokens it has. */
const side = 96;

/** What is seen, and what is hidden. */
const [white, dark] = [0.95, 0.15];

/**
 * Masks [L, L] of 0 and 1 side by side at one size: rows are the tokens that look, columns those that they see (white).
 *
 * @throws RangeError if one is not square.
 * @example show.masks([model.visibilityMask(model.causalVisibility(config, 21), 4)], { title: 'who sees whom' })
 */
export function masks(given: readonly HostTensor[], options: FramesOptions = {}): Figure {
  const data = new Float32Array(given.length * side * side * 3);
  for (const [i, mask] of given.entries()) data.set(picture(mask), i * side * side * 3);
  const size = { frames: given.length, height: side, width: side, fps: 1 };
  return frames(createClip(data, size), { count: given.length, ...options });
}

function picture({ shape, data }: HostTensor): Float32Array {
  const [length = 0] = shape;
  if (shape.length !== 2 || length !== shape[1]) throw new RangeError(`mask: wanted [L, L], received [${shape}]`);
  const at = (pixel: number): number => Math.floor((pixel * length) / side);
  return Float32Array.from({ length: side * side * 3 }, (_, i) => {
    const [x, y] = [Math.floor(i / 3) % side, Math.floor(i / 3 / side)];
    return Number(data[at(y) * length + at(x)]) > 0 ? white : dark;
  });
}
