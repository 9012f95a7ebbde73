import { createHash } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { extname, join } from 'node:path';
import sharp from 'sharp';
import { escapeHtml, jupyterDisplay, type MimeBundle } from '../display/index.ts';
import { type Provenance, writeAtomic } from '../io/index.ts';
import { addPngText, packageRoot } from '../io/internal.ts';
import { svgToPng } from './theme.ts';

/** Something to look at: in a notebook, as a file, in a report. */
export interface Figure {
  /** One line of text, for terminals and as alternative text. */
  toText(): string;
  toPng(): Promise<Uint8Array>;
  /** A fragment of HTML that refers to nothing outside of itself. */
  toHtml(): Promise<string>;
  /** Writes a .png or .html file, or .webp where the figure moves. */
  save(path: string): Promise<void>;
  [jupyterDisplay](): Promise<MimeBundle>;
}

export interface FigureOptions {
  title?: string;
  /** Stored in the PNG as text chunks. */
  provenance?: Provenance;
}

/** How a figure is drawn, as an SVG document or else as PNG; each form is made when asked for, once. */
interface FigureForms {
  /** What stands behind the title. */
  text: string;
  svg?: () => string | Promise<string>;
  png?: () => Promise<Uint8Array>;
  /** @defaultValue the SVG document, else the PNG as an image at half its pixels */
  html?: () => string | Promise<string>;
  /** A moving picture, for figures that have one. */
  webp?: () => Promise<Uint8Array>;
  /** Further forms of the notebook bundle: their renderers show the PNG pixel by pixel, so it is halved there. */
  extra?: () => MimeBundle;
  /** Whether the bundle carries the HTML, for moving pictures and tables. */
  rich?: boolean;
}

export function figure({ title, provenance = {} }: FigureOptions, forms: FigureForms): Figure {
  const { svg, png = async () => svgToPng(await svg!()), html = svg, webp, extra, rich = false } = forms;
  const text = [title, forms.text].filter(Boolean).join(': ');
  const label = (bytes: Uint8Array): Uint8Array => addPngText(bytes, { Software: 'reward-forcing', ...provenance });
  const drawn = once(async () => label(await png()));
  const shown = extra ? async () => label(await halved(await drawn())) : drawn;
  const picture = html ?? (async () => imageTag(await drawn(), text));
  const written = once(async () => {
    const chart = extra?.()[chartType];
    return chart === undefined ? picture() : withChart(await picture(), chart);
  });
  return {
    toText: () => text,
    toPng: drawn,
    toHtml: written,
    save: async (path) => {
      const format = extname(path).toLowerCase();
      if (format === '.png') return writeAtomic(path, await drawn());
      if (format === '.html') return writeAtomic(path, page(text, await written()));
      if (format === '.webp' && webp) return writeAtomic(path, await webp());
      const formats = webp ? '.webp, .png or .html' : '.png or .html';
      throw new RangeError(`path: this figure is saved as ${formats}, received "${path}"`);
    },
    [jupyterDisplay]: async () => ({
      ...extra?.(),
      ...(rich && { 'text/html': await written() }),
      'image/png': Buffer.from(await shown()).toString('base64'),
      'text/plain': text,
    }),
  };
}

/** What `make` makes, at the first call. */
export function once<T>(make: () => Promise<T>): () => Promise<T> {
  let made: Promise<T> | undefined;
  return () => {
    made ??= make();
    return made;
  };
}

export function dataUri(bytes: Uint8Array, mime: string): string {
  return `data:${mime};base64,${Buffer.from(bytes).toString('base64')}`;
}

/** A PNG drawn at twice its size, as an image of its own size. */
function imageTag(png: Uint8Array, alt: string): string {
  return `<img src="${dataUri(png, 'image/png')}" alt="${escapeHtml(alt)}" width="${widthOf(png) / 2}" style="max-width:100%;height:auto">`;
}

function widthOf(png: Uint8Array): number {
  return new DataView(png.buffer, png.byteOffset).getUint32(16);
}

/** A picture drawn at twice its size, at its size. */
async function halved(png: Uint8Array): Promise<Uint8Array> {
  return sharp(png)
    .resize(Math.round(widthOf(png) / 2))
    .withMetadata({ density: 72 })
    .png()
    .toBuffer();
}

function page(title: string, body: string): string {
  return `<!doctype html><html lang="en"><meta charset="utf-8"><title>${escapeHtml(title)}</title><body>${body}${chartScript(body).script}</body></html>\n`;
}

/** MIME type of a chart's description. Source: plotly.py, "Displaying figures". */
export const chartType = 'application/vnd.plotly.v1+json';

/** One element, the picture, with the description of its chart, which takes its place where scripts run. */
function withChart(picture: string, chart: unknown): string {
  const description = JSON.stringify(chart).replaceAll('<', '\\u003c'); // none ends the element
  return `${picture}<script type="${chartType}">${description}</script>`;
}

/**
 * The script that draws the charts in the body, and what a content security policy calls it. Both are empty where there
 * are none, and where the package is not built: pictures stay then.
 */
export function chartScript(body: string): { script: string; source: string } {
  const file = join(packageRoot(), 'dist', 'plotly.js');
  if (!body.includes(`<script type="${chartType}">`) || !existsSync(file)) return { script: '', source: '' };
  const code = readFileSync(file, 'utf8');
  const hash = createHash('sha256').update(code).digest('base64');
  return { script: `<script>${code}</script>`, source: `; script-src 'sha256-${hash}'` };
}
