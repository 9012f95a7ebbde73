import sharp from 'sharp';
import type { RgbImage } from '../io/index.ts';
import { ink, pixelRatio, svgDocument, svgText, type TextStyle } from './theme.ts';

/** Images and texts placed on a white sheet, in layout units. */
export interface Sheet {
  width: number;
  height: number;
  images: readonly { image: RgbImage; x: number; y: number }[];
  texts: readonly { text: string; x: number; y: number; style?: TextStyle }[];
  /** Further SVG, drawn above the images. */
  drawing?: string;
}

/** Draws a sheet as PNG, at twice its size. Images are placed pixel by pixel, never resampled. */
export async function drawSheet({ width, height, images, texts, drawing = '' }: Sheet): Promise<Uint8Array> {
  const labels = texts.map(({ text, x, y, style }) => svgText(text, x, y, style)).join('');
  const overlay = svgDocument(Math.ceil(width), Math.ceil(height), labels + drawing);
  const [pixelWidth, pixelHeight] = [Math.ceil(width) * pixelRatio, Math.ceil(height) * pixelRatio];
  const placed = images.map(({ image, x, y }) => ({
    input: Buffer.from(image.data),
    raw: { width: image.width, height: image.height, channels: 3 as const },
    left: Math.round(x * pixelRatio),
    top: Math.round(y * pixelRatio),
  }));
  const sheet = { width: pixelWidth, height: pixelHeight, channels: 3 as const, background: '#ffffff' };
  return sharp({ create: sheet })
    .composite([
      ...placed,
      {
        input: await sharp(Buffer.from(overlay), { density: 72 * pixelRatio })
          .png()
          .toBuffer(),
      },
    ])
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

function repeatPixels({ data, width, height }: RgbImage, factor: number): RgbImage {
  const out = new Uint8Array(data.length * factor * factor);
  for (let y = 0, at = 0; y < height * factor; y++) {
    const row = Math.floor(y / factor) * width;
    for (let x = 0; x < width * factor; x++, at += 3) {
      const from = 3 * (row + Math.floor(x / factor));
      out.set(data.subarray(from, from + 3), at);
    }
  }
  return { data: out, width: width * factor, height: height * factor };
}

/** Style of a row's or panel's title. */
export const titleStyle: TextStyle = { size: 13, weight: 'bold' };
/** Style of small print under a panel. */
export const noteStyle: TextStyle = { size: 10, fill: ink.muted, anchor: 'middle' };
