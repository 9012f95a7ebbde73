import type { Tensor } from '../../engine/tf.ts';
import { type Clip, createClip, fromSigned } from '../../io/index.ts';

/** How pieces become a clip. */
export interface ClipOfOptions {
  /** Frames a second (default 16, as Wan's videos). */
  readonly fps?: number;
  /** Sees how many frames there are after each piece. */
  readonly onFrames?: (frames: number) => void;
}

/**
 * Gathers the pieces [1, f, H, W, 3] in [-1, 1] that `generate` and `generateCausal` yield into one clip in [0, 1], and
 * disposes of each.
 *
 * @throws RangeError if a piece is of another form or size, or there is none.
 * @example await writeVideo('cat.mp4', await clipOf(generate(wan, { prompt: 'A cat runs.' })))
 */
export async function clipOf(pieces: AsyncIterable<Tensor>, options: ClipOfOptions = {}): Promise<Clip> {
  const { fps = 16, onFrames } = options;
  const parts: Float32Array[] = [];
  let size: readonly number[] = [];
  let frames = 0;
  for await (const piece of pieces) {
    try {
      const [, count = 0, ...rest] = piece.shape;
      if (parts.length === 0) size = rest;
      checkPiece(piece, size);
      parts.push(fromSigned((await piece.data()) as Float32Array));
      frames += count;
    } finally {
      piece.dispose();
    }
    onFrames?.(frames);
  }
  const [height, width] = size;
  if (height === undefined || width === undefined) throw new RangeError('pieces: wanted at least one, received none');
  return createClip(joined(parts), { frames, height, width, fps });
}

function checkPiece({ shape }: Tensor, size: readonly number[]): void {
  const [height, width, colours] = size;
  const fits = shape.length === 5 && shape[0] === 1 && colours === 3;
  if (fits && shape[2] === height && shape[3] === width && shape[4] === 3) return;
  throw new RangeError(`pieces: wanted [1, f, ${height}, ${width}, 3], received [${shape}]`);
}

function joined(parts: readonly Float32Array[]): Float32Array {
  const all = new Float32Array(parts.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
}
