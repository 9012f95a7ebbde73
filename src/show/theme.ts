/** What all figures share: colours and type, SVG texts that fit, sheets of pictures. */
import sharp from 'sharp';
import { escapeHtml } from '../display/index.ts';
import type { RgbImage } from '../io/index.ts';
import { repeatPixels } from '../io/internal.ts';

/** Colours of series, apart in hue and lightness (Okabe and Ito's palette, darkened yellow). */
const seriesColours = '#0072b2 #d55e00 #009e73 #cc79a7 #b8860b #56b4e9 #6a3d9a #444444'.split(' ');

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

/** A figure's title at its left upper corner, behind a margin; nothing where there is none. */
export function svgHeading(title: string | undefined, margin: number): string {
  return title ? svgText(title, margin, margin + 13, headingStyle) : '';
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

/** Images and texts placed on a white sheet, in layout units. */
export interface Sheet {
  width: number;
  height: number;
  images: { image: RgbImage; x: number; y: number }[];
  texts: { text: string; x: number; y: number; style?: TextStyle }[];
  /** Further SVG, drawn above the images. */
  drawing?: string;
}

/** Draws a sheet as PNG, at twice its size. Images are placed pixel by pixel, never resampled. */
export async function drawSheet({ width, height, images, texts, drawing = '' }: Sheet): Promise<Uint8Array> {
  const labels = texts.map(({ text, x, y, style }) => svgText(text, x, y, style)).join('');
  const overlay = svgDocument(Math.ceil(width), Math.ceil(height), labels + drawing);
  const placed = images.map(({ image, x, y }) => ({
    input: Buffer.from(image.data),
    raw: { width: image.width, height: image.height, channels: 3 as const },
    left: Math.round(x * pixelRatio),
    top: Math.round(y * pixelRatio),
  }));
  const size = { width: Math.ceil(width) * pixelRatio, height: Math.ceil(height) * pixelRatio };
  const words = sharp(Buffer.from(overlay), { density: 72 * pixelRatio }).png();
  return sharp({ create: { ...size, channels: 3, background: '#ffffff' } })
    .composite([...placed, { input: await words.toBuffer() }])
    .withMetadata({ density: 72 * pixelRatio })
    .png()
    .toBuffer();
}

/**
 * An image at about `width` layout units: small ones enlarged by a whole factor with hard pixels, large ones shrunk
 * smoothly.
 */
export async function fitImage(image: RgbImage, width: number): Promise<RgbImage> {
  const wanted = Math.max(1, Math.round(width * pixelRatio));
  const factor = Math.floor(wanted / image.width);
  if (factor >= 1) return repeatPixels(image, factor);
  const raw = { width: image.width, height: image.height, channels: 3 as const };
  const { data, info } = await sharp(image.data, { raw }).resize(wanted).raw().toBuffer({ resolveWithObject: true });
  return { data, width: info.width, height: info.height };
}

export const headingStyle: TextStyle = { size: 15, weight: 'bold' };
export const titleStyle: TextStyle = { size: 13, weight: 'bold' };
export const noteStyle: TextStyle = { size: 10, fill: ink.muted, anchor: 'middle' };
