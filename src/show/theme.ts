import sharp from 'sharp';
import { escapeHtml } from '../display/index.ts';

/** Colours of series, apart in hue and lightness (Okabe and Ito's palette, darkened yellow). */
const seriesColours: readonly string[] = [
  '#0072b2',
  '#d55e00',
  '#009e73',
  '#cc79a7',
  '#b8860b',
  '#56b4e9',
  '#6a3d9a',
  '#444444',
];

/** Colour of the i-th series. */
export function seriesColour(index: number): string {
  return seriesColours[index % seriesColours.length]!;
}

/** Inks of texts, lines and surfaces. */
export const ink: { text: string; muted: string; faint: string; surface: string; accent: string } = {
  text: '#1b1f24',
  muted: '#5c6670',
  faint: '#d8dde2',
  surface: '#f4f6f8',
  accent: '#0072b2',
};

/** Fonts that exist somewhere on every platform. */
export const sans: string = "system-ui, -apple-system, 'Segoe UI', Roboto, 'DejaVu Sans', sans-serif";

/** Pixels drawn for each unit of a figure's layout. */
export const pixelRatio: number = 2;

/** Attributes of `svgText`. */
export interface TextStyle {
  size?: number;
  weight?: 'normal' | 'bold';
  fill?: string;
  anchor?: 'start' | 'middle' | 'end';
}

/** One line of SVG text with its baseline at (x, y). */
export function svgText(text: string, x: number, y: number, style: TextStyle = {}): string {
  const { size = 12, weight = 'normal', fill = ink.text, anchor = 'start' } = style;
  const attributes = `font-family="${sans}" font-size="${size}" font-weight="${weight}" fill="${fill}" text-anchor="${anchor}"`;
  return `<text x="${x}" y="${y}" ${attributes}>${escapeHtml(text)}</text>`;
}

/** Width of a text, estimated for a common sans-serif face; wide scripts count double. */
export function textWidth(text: string, size: number, weight: 'normal' | 'bold' = 'normal'): number {
  let units = 0;
  for (const character of text) units += charWidth(character);
  return units * size * (weight === 'bold' ? 1.1 : 1);
}

function charWidth(character: string): number {
  if (character.codePointAt(0)! > 0x2e80) return 1.05;
  if (/[ilj.,:;'|! ]/.test(character)) return 0.34;
  return /[mwMW@%]/.test(character) ? 0.95 : 0.62;
}

/** A text cut with an ellipsis to a width. */
export function fitText(text: string, width: number, size: number, weight: 'normal' | 'bold' = 'normal'): string {
  if (textWidth(text, size, weight) <= width) return text;
  const characters = [...text];
  while (characters.length > 1 && textWidth(`${characters.join('')}…`, size, weight) > width) characters.pop();
  return `${characters.join('').trimEnd()}…`;
}

/** An SVG document. */
export function svgDocument(width: number, height: number, body: string): string {
  return `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" viewBox="0 0 ${width} ${height}">${body}</svg>`;
}

/** Draws an SVG document on white, at twice its size. */
export async function svgToPng(svg: string): Promise<Uint8Array> {
  return sharp(Buffer.from(svg), { density: 72 * pixelRatio })
    .flatten({ background: '#ffffff' })
    .png()
    .toBuffer();
}
