/** Reading a PNG file at once, without waiting: for pictures that come with the package. */
import { readFileSync } from 'node:fs';
import { inflateSync } from 'node:zlib';

/** An 8-bit picture as its file holds it, row-major [H, W, C] with 3 channels, or 4 with transparency. */
export interface PngPixels {
  readonly data: Uint8Array;
  readonly height: number;
  readonly width: number;
  readonly channels: 3 | 4;
}

const signatureBytes = 8;
const channelsOfType: Readonly<Record<number, 3 | 4>> = { 2: 3, 6: 4 };

/**
 * The pixels of a PNG file with 8 bits a channel, RGB or RGBA, not interlaced, with the values as they are stored.
 *
 * @throws Error with the path for a file that is none of these.
 * Source: PNG specification (W3C), sections 9 (filters) and 11 (chunks).
 */
export function readPng(path: string): PngPixels {
  const file = readFileSync(path);
  if (file.toString('latin1', 1, 4) !== 'PNG') throw new Error(`${path}: wanted a PNG file, received another kind`);
  const [header] = chunksOf(file, 'IHDR');
  const { width, height, depth, type, interlace } = headerOf(header!);
  const channels = channelsOfType[type];
  if (depth !== 8 || !channels || interlace !== 0) {
    const found = `${depth} bits, colour type ${type}, interlace ${interlace}`;
    throw new Error(`${path}: wanted 8 bits of RGB or RGBA, not interlaced, received ${found}; save it in that form`);
  }
  const rows = inflateSync(Buffer.concat(chunksOf(file, 'IDAT')));
  return { data: unfiltered(rows, height, width * channels, channels), height, width, channels };
}

/** Bodies of all chunks of a type. */
function chunksOf(file: Buffer, type: string): Buffer[] {
  const found: Buffer[] = [];
  for (let at = signatureBytes; at + 12 <= file.length; ) {
    const length = file.readUInt32BE(at);
    if (file.toString('latin1', at + 4, at + 8) === type) found.push(file.subarray(at + 8, at + 8 + length));
    at += 12 + length;
  }
  return found;
}

function headerOf(body: Buffer) {
  const [width, height] = [body.readUInt32BE(0), body.readUInt32BE(4)];
  return { width, height, depth: body[8]!, type: body[9]!, interlace: body[12]! };
}

/** Rows without their filters: each begins with the number of one, which says what was subtracted from its bytes. */
function unfiltered(rows: Uint8Array, height: number, rowBytes: number, pixelBytes: number): Uint8Array {
  const out = new Uint8Array(height * rowBytes);
  for (let y = 0; y < height; y++) {
    const [from, to] = [y * (rowBytes + 1) + 1, y * rowBytes];
    const predict = predictors[rows[from - 1]!]!;
    for (let x = 0; x < rowBytes; x++) {
      const left = x < pixelBytes ? 0 : out[to + x - pixelBytes]!;
      const above = y === 0 ? 0 : out[to + x - rowBytes]!;
      const corner = x < pixelBytes || y === 0 ? 0 : out[to + x - rowBytes - pixelBytes]!;
      out[to + x] = rows[from + x]! + predict(left, above, corner);
    }
  }
  return out;
}

/** None, left, above, their mean, Paeth. */
const predictors: readonly ((left: number, above: number, corner: number) => number)[] = [
  () => 0,
  (left) => left,
  (_, above) => above,
  (left, above) => (left + above) >> 1,
  paeth,
];

/** The one of the three neighbours that is nearest to left + above - corner. */
function paeth(left: number, above: number, corner: number): number {
  const guess = left + above - corner;
  const [a, b, c] = [Math.abs(guess - left), Math.abs(guess - above), Math.abs(guess - corner)];
  if (a <= b && a <= c) return left;
  return b <= c ? above : corner;
}
