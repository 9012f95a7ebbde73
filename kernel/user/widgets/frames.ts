/** Clips as pictures that a front end can show one by one. */

/** A video in memory, by its members: values in [0, 1] of shape [F, H, W, 3]. */
export interface ClipLike {
  readonly data: ArrayLike<number>;
  readonly frames: number;
  readonly height: number;
  readonly width: number;
  readonly fps: number;
}

/** Below this width frames go without loss and are drawn with hard pixels. */
export const SMALL_WIDTH = 128;

/** Every frame as an encoded picture: PNG for small ones, JPEG otherwise. */
export async function encodeFrames(clip: ClipLike): Promise<Uint8Array[]> {
  return Promise.all(Array.from({ length: clip.frames }, (_, frame) => encodeFrame(clip, frame)));
}

/** First frames of the clips in a row, as a PNG. */
export async function poster(clips: readonly ClipLike[]): Promise<Uint8Array> {
  const height = Math.max(...clips.map((clip) => clip.height));
  const width = clips.reduce((sum, clip) => sum + clip.width, 0);
  let left = 0;
  const parts = clips.map((clip) => {
    const raw = { width: clip.width, height: clip.height, channels: 3 as const };
    const part = { input: bytesOf(clip, 0), raw, left, top: 0 };
    left += clip.width;
    return part;
  });
  const background = { r: 255, g: 255, b: 255 };
  const sharp = await loadSharp();
  return sharp({ create: { width, height, channels: 3, background } })
    .composite(parts)
    .png()
    .toBuffer();
}

async function encodeFrame(clip: ClipLike, frame: number): Promise<Uint8Array> {
  const raw = { width: clip.width, height: clip.height, channels: 3 as const };
  const sharp = await loadSharp();
  const picture = sharp(bytesOf(clip, frame), { raw });
  return clip.width < SMALL_WIDTH ? picture.png().toBuffer() : picture.jpeg({ quality: 90 }).toBuffer();
}

function bytesOf({ data, height, width }: ClipLike, frame: number): Buffer {
  const size = height * width * 3;
  const bytes = Buffer.alloc(size);
  for (let i = 0; i < size; i++) bytes[i] = Math.round(255 * Math.min(1, Math.max(0, data[frame * size + i] ?? 0)));
  return bytes;
}

/** Loaded when first needed: it would slow the start of every kernel. */
async function loadSharp(): Promise<typeof import('sharp')['default']> {
  return (await import('sharp')).default;
}
