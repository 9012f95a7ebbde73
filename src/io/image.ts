import sharp from 'sharp';
import { type Clip, clipFrame, toByte } from './clip.ts';
import { addPngText, type Provenance } from './image-text.ts';

/** An 8-bit RGB image, row-major [H, W, 3]. */
export interface RgbImage {
  data: Uint8Array;
  height: number;
  width: number;
}

/** A frame of a clip as 8-bit pixels: values are cut to [0, 1], rounded, each repeated `factor` times both ways. */
export function frameImage(clip: Clip, index: number, factor: number = 1): RgbImage {
  const source = clipFrame(clip, index);
  const [height, width] = [clip.height * factor, clip.width * factor];
  const data = new Uint8Array(height * width * 3);
  for (let y = 0, at = 0; y < height; y++) {
    const row = Math.floor(y / factor) * clip.width;
    for (let x = 0; x < width; x++) {
      const from = 3 * (row + Math.floor(x / factor));
      for (let c = 0; c < 3; c++) data[at++] = toByte(source[from + c]!);
    }
  }
  return { data, height, width };
}

/** Whole factor by which small frames are enlarged so that their longer side comes near 256 pixels, 1 for large ones. */
export function enlargement({ height, width }: { height: number; width: number }, side: number = 256): number {
  return Math.max(1, Math.floor(side / Math.max(height, width)));
}

/** A PNG file of an image, with its provenance as text chunks. */
export async function encodePng({ data, height, width }: RgbImage, provenance: Provenance = {}): Promise<Uint8Array> {
  if (data.length !== height * width * 3) {
    throw new RangeError(`data: [${height}, ${width}, 3] needs ${height * width * 3} bytes, received ${data.length}`);
  }
  const png = await sharp(data, { raw: { width, height, channels: 3 } })
    .png()
    .toBuffer();
  return addPngText(png, provenance);
}

/** Reads an image file (PNG, JPEG, WebP, ...) or its bytes; transparency is laid on white. */
export async function readImage(source: string | Uint8Array): Promise<RgbImage> {
  const { data, info } = await sharp(source)
    .flatten({ background: '#ffffff' })
    .toColourspace('srgb')
    .removeAlpha()
    .raw()
    .toBuffer({ resolveWithObject: true })
    .catch((error: Error) => {
      const name = typeof source === 'string' ? source : `${source.length} bytes`;
      throw new Error(`cannot read an image from ${name}: ${error.message}`);
    });
  return { data: new Uint8Array(data), height: info.height, width: info.width };
}
