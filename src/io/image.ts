/** 8-bit pictures: frames of clips, PNG files with texts in them, and reading whatever sharp reads. */
import { crc32 } from 'node:zlib';
import sharp from 'sharp';
import { withFile } from './bytes.ts';
import { type Clip, clipFrame, toByte } from './clip.ts';

/** An 8-bit RGB image, row-major [H, W, 3]. */
export interface RgbImage {
  data: Uint8Array;
  height: number;
  width: number;
}

/** A frame of a clip as 8-bit pixels: values are cut to [0, 1], rounded, each repeated `factor` times both ways. */
export function frameImage(clip: Clip, index: number, factor: number = 1): RgbImage {
  const source = clipFrame(clip, index);
  const data = new Uint8Array(source.length);
  for (let i = 0; i < data.length; i++) data[i] = toByte(source[i]!);
  return repeatPixels({ data, height: clip.height, width: clip.width }, factor);
}

/** An image with each pixel repeated `factor` times both ways. */
export function repeatPixels(image: RgbImage, factor: number): RgbImage {
  if (factor === 1) return image;
  const [height, width] = [image.height * factor, image.width * factor];
  const data = new Uint8Array(height * width * 3);
  for (let y = 0, at = 0; y < height; y++) {
    const row = Math.floor(y / factor) * image.width;
    for (let x = 0; x < width; x++) {
      const from = 3 * (row + Math.floor(x / factor));
      for (let c = 0; c < 3; c++) data[at++] = image.data[from + c]!;
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
  const picture = sharp(data, { raw: { width, height, channels: 3 } }).png();
  return addPngText(await picture.toBuffer(), provenance);
}

/**
 * Reads an image file (PNG, JPEG, WebP, ...) or its bytes. Transparency is dropped and the colours under it are taken,
 * as PIL's `convert("RGB")` does.
 *
 * @throws Error with the path if there is no image in it.
 * @example const { data, height, width } = await readImage('cat.png')
 */
export async function readImage(source: string | Uint8Array): Promise<RgbImage> {
  if (typeof source === 'string') await withFile(source, async () => undefined);
  const { data, info } = await sharp(source)
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

/** Texts stored with a picture or video, such as prompt, seed and checkpoint. */
export type Provenance = Readonly<Record<string, string | number>>;

const signatureBytes = 8;
const chunkOverhead = 12;

/** A PNG with texts added as iTXt chunks (UTF-8) right after its header. PNG specification, section 11.3.3. */
export function addPngText(png: Uint8Array, texts: Provenance): Uint8Array {
  const headerLength = new DataView(png.buffer, png.byteOffset).getUint32(signatureBytes);
  const headerEnd = signatureBytes + chunkOverhead + headerLength;
  const chunks = Object.entries(texts).map(([keyword, text]) => textChunk(keyword, String(text)));
  return Buffer.concat([png.subarray(0, headerEnd), ...chunks, png.subarray(headerEnd)]);
}

/** Length, type, keyword 0, no compression 0 0, language 0, translated keyword 0, text, checksum of all but the length. */
function textChunk(keyword: string, text: string): Buffer {
  if (!/^[\x20-\x7e]{1,79}$/.test(keyword)) {
    throw new RangeError(`a PNG keyword has 1 to 79 plain characters, received "${keyword}"`);
  }
  const body = Buffer.concat([Buffer.from(`iTXt${keyword}`, 'latin1'), Buffer.alloc(5), Buffer.from(text)]);
  const chunk = Buffer.alloc(body.length + 8);
  chunk.writeUInt32BE(body.length - 4, 0);
  chunk.set(body, 4);
  chunk.writeUInt32BE(crc32(body), body.length + 4);
  return chunk;
}
