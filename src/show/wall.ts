import sharp from 'sharp';
import { escapeHtml } from '../display/index.ts';
import type { Clip } from '../io/index.ts';
import { frameImage } from '../io/internal.ts';
import { dataUri, type Figure, type FigureOptions, figure, once } from './figure.ts';
import { drawSheet, fitImage, fitText, headingStyle, noteStyle, pixelRatio, type Sheet, titleStyle } from './theme.ts';

export interface WallOptions extends FigureOptions {
  /** What stands under each column. @defaultValue nothing */
  columns?: readonly string[];
  /** Width of the figure. */
  width?: number;
}

type Rows = Readonly<Record<string, readonly Clip[]>>;

/** How long the last frame stays, in frames: what the reward saw can be looked at. */
const REST = 8;
const [gap, margin, titleHeight, headingHeight, noteHeight] = [6, 12, 22, 28, 16];

/**
 * Clips in rows and columns that play together in one picture, over and over: prompts side by side, networks below each
 * other. Where nothing moves (PNG, terminals) their last frames stand; `save` writes .webp, too.
 *
 * @throws RangeError unless all clips have the same number of frames and the same rate.
 * @example await wall({ 'phase 1': before, 'phase 2': after }, { columns: prompts }).save('wall.webp')
 */
export function wall(rows: Rows, options: WallOptions = {}): Figure {
  const { frames, fps } = timing(rows);
  const titles = Object.keys(rows);
  const alt = [options.title, `${titles.join(' above ')}, playing side by side`].filter(Boolean).join(': ');
  const animated = once(async () => animation(await sheets(rows, frames, options), fps));
  return figure(options, {
    text: `${titles.map((title) => `${title} (${rows[title]!.length} clips)`).join(', ')}, ${frames} frames each`,
    png: async () => drawSheet(await layout(rows, frames - 1, options)),
    webp: animated,
    html: async () => {
      const bytes = await animated();
      const { width = 0 } = await sharp(bytes).metadata();
      const style = 'max-width:100%;height:auto';
      return `<img src="${dataUri(bytes, 'image/webp')}" alt="${escapeHtml(alt)}" width="${width / pixelRatio}" style="${style}">`;
    },
    rich: true,
  });
}

function timing(rows: Rows): Pick<Clip, 'frames' | 'fps'> {
  const all = Object.values(rows).flat();
  const [first] = all;
  if (!first) throw new RangeError('rows: no clips given; give an object of lists of clips by title');
  const { frames, fps } = first;
  const other = all.find((clip) => clip.frames !== frames || clip.fps !== fps);
  if (!other) return { frames, fps };
  const received = `${frames} frames at ${fps} fps beside ${other.frames} at ${other.fps}`;
  throw new RangeError(`rows: wanted clips of one length and rate, which play together, received ${received}`);
}

async function sheets(rows: Rows, frames: number, options: WallOptions): Promise<Uint8Array[]> {
  const drawn: Uint8Array[] = [];
  for (let frame = 0; frame < frames; frame++) drawn.push(await drawSheet(await layout(rows, frame, options)));
  return drawn;
}

/** Without loss: pixels that are enlarged stay squares, and letters stay sharp. */
function animation(pages: readonly Uint8Array[], fps: number): Promise<Uint8Array> {
  const delay = pages.map((_, i) => Math.round((1000 / fps) * (i === pages.length - 1 ? REST : 1)));
  const inputs = pages.map((page) => Buffer.from(page));
  return sharp(inputs, { join: { animated: true } })
    .webp({ lossless: true, effort: 4, loop: 0, delay })
    .toBuffer();
}

async function layout(rows: Rows, frame: number, { title, columns = [], width = 900 }: WallOptions): Promise<Sheet> {
  const most = Math.max(...Object.values(rows).map(({ length }) => length));
  const room = Math.min(192, (width - 2 * margin - (most - 1) * gap) / most);
  const sheet: Sheet = { width: 0, height: margin, images: [], texts: [] };
  if (title) {
    sheet.texts.push({ text: title, x: margin, y: sheet.height + 14, style: headingStyle });
    sheet.height += headingHeight;
  }
  let side = room;
  for (const [name, clips] of Object.entries(rows)) {
    sheet.texts.push({ text: name, x: margin, y: sheet.height + 13, style: titleStyle });
    sheet.height += titleHeight;
    const images = await Promise.all(clips.map((clip) => fitImage(frameImage(clip, frame), room)));
    side = Math.max(...images.map((image) => image.width)) / pixelRatio;
    images.forEach((image, i) => {
      sheet.images.push({ image, x: margin + i * (side + gap), y: sheet.height });
    });
    sheet.height += Math.max(...images.map((image) => image.height)) / pixelRatio + gap;
    sheet.width = Math.max(sheet.width, 2 * margin + images.length * (side + gap) - gap);
  }
  for (const [i, label] of columns.slice(0, most).entries()) {
    const text = fitText(label, side, noteStyle.size!);
    sheet.texts.push({ text, x: margin + i * (side + gap) + side / 2, y: sheet.height + 9, style: noteStyle });
  }
  return { ...sheet, height: sheet.height + (columns.length > 0 ? noteHeight : 0) + margin - gap };
}
