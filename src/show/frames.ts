import type { Clip, Provenance, RgbImage } from '../io/index.ts';
import { frameImage } from '../io/internal.ts';
import { type Figure, figure } from './figure.ts';
import { drawSheet, fitImage, fitText, noteStyle, pixelRatio, type Sheet, titleStyle } from './theme.ts';

/** Clips to show: one, a list, or by title. */
export type Clips = Clip | readonly Clip[] | Readonly<Record<string, Clip>>;

/** Options of `frames`. */
export interface FramesOptions {
  title?: string;
  /** Frames shown of each clip, evenly spread from the first to the last. */
  count?: number;
  /** Width of the figure. */
  width?: number;
  /** What stands below a frame. @defaultValue its number, from 0 */
  label?: (title: string, index: number) => string;
  provenance?: Provenance;
}

/** Clips with their titles ('' where there is none). */
export function titled(clips: Clips): [title: string, clip: Clip][] {
  if (Array.isArray(clips)) return clips.map((clip: Clip) => ['', clip]);
  if (isClip(clips)) return [['', clips]];
  return Object.entries(clips as Readonly<Record<string, Clip>>);
}

function isClip(value: Clips): value is Clip {
  return ArrayBuffer.isView((value as Clip).data);
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
  const { title, count = 9, provenance = {} } = options;
  if (!Number.isInteger(count) || count < 1)
    throw new RangeError(`count: wanted a whole number >= 1, received ${count}`);
  const names = rows.map(
    ([name, { frames: total, height, width }]) => `${name || 'clip'} (${total} × ${height} × ${width})`,
  );
  return figure({
    text: [title, `frames of ${names.join(', ')}`].filter(Boolean).join(': '),
    png: async () => drawSheet(await layout(rows, options)),
    provenance,
  });
}

const [gap, margin, titleHeight, noteHeight] = [4, 12, 20, 14];
const NOTE_SIZE = 10;

async function layout(clips: [string, Clip][], options: FramesOptions): Promise<Sheet> {
  const { title, count = 9, width = 900, label = (_: string, index: number) => String(index) } = options;
  const rows = await Promise.all(clips.map(([name, clip]) => imagesOf(name, clip, { count, width, label })));
  const sheetWidth = Math.max(240, ...rows.map(rowWidth));
  const sheet = { images: [] as Sheet['images'][number][], texts: [] as Sheet['texts'][number][] };
  let y = margin;
  if (title) {
    sheet.texts.push({
      text: fitText(title, sheetWidth - 2 * margin, 15, 'bold'),
      x: margin,
      y: y + 13,
      style: { size: 15, weight: 'bold' },
    });
    y += 26;
  }
  for (const row of rows) {
    if (row.title) {
      sheet.texts.push({
        text: fitText(row.title, sheetWidth - 2 * margin, 13, 'bold'),
        x: margin,
        y: y + 13,
        style: titleStyle,
      });
      y += titleHeight;
    }
    y += placeRow(row, y, sheet);
  }
  return { ...sheet, width: sheetWidth, height: y + margin - 6 };
}

function rowWidth({ images }: Row): number {
  return 2 * margin + images.reduce((sum, image) => sum + image.width / pixelRatio + gap, -gap);
}

/** Puts a row's frames and their labels on the sheet; returns the height that it takes. */
function placeRow(
  { images, labels }: Row,
  y: number,
  sheet: { images: Sheet['images'][number][]; texts: Sheet['texts'][number][] },
): number {
  let x = margin;
  const height = Math.max(...images.map((image) => image.height / pixelRatio));
  images.forEach((image, i) => {
    const width = image.width / pixelRatio;
    sheet.images.push({ image, x, y });
    sheet.texts.push({
      text: fitText(labels[i]!, width, NOTE_SIZE),
      x: x + width / 2,
      y: y + height + 11,
      style: { ...noteStyle, size: NOTE_SIZE },
    });
    x += width + gap;
  });
  return height + noteHeight + 8;
}

async function imagesOf(
  title: string,
  clip: Clip,
  { count, width, label }: Required<Pick<FramesOptions, 'count' | 'width' | 'label'>>,
): Promise<Row> {
  const indices = spreadIndices(clip.frames, count);
  const room = Math.min(160, (width - 2 * margin - (count - 1) * gap) / count);
  const images = await Promise.all(indices.map((index) => fitImage(frameImage(clip, index), room)));
  return { title, labels: indices.map((index) => label(title, index)), images };
}
