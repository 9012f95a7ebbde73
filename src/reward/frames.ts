/** What a judge of pictures sees of a clip: which frames, and what becomes of values outside [0, 1]. */
import { type Tensor, tf } from '../engine/tf.ts';
import { type Key, stopGradient } from '../nn/index.ts';

/**
 * Which frames of a clip are judged; a number counts from 0, negative from the end, and `all` is the mean over frames.
 * Random frames are drawn from the key's stream `frame`: `random-per-clip` draws one for each clip, `random-per-batch`
 * one for all clips of a batch, so that a training step supervises a single place.
 */
export type FrameChoice = 'last' | 'first' | 'middle' | 'all' | 'random-per-clip' | 'random-per-batch' | number;

/** Clips from which frames are chosen. */
export interface ClipBatch {
  readonly clips: number;
  /** Frames of each. */
  readonly frames: number;
  readonly key?: Key | undefined;
}

/** Whether a choice needs a key. */
export function isRandom(choice: FrameChoice): boolean {
  return choice === 'random-per-clip' || choice === 'random-per-batch';
}

/**
 * What a choice comes to: the index that all clips share, an index for each clip, or `all`.
 *
 * @throws RangeError for a frame that the clips don't have, Error for a random choice without a key.
 */
export function chooseFrames(choice: FrameChoice, { clips, frames, key }: ClipBatch): number | Int32Array | 'all' {
  if (choice === 'all') return 'all';
  if (choice === 'random-per-clip') {
    const { data } = drawing(choice, key).uniform([clips]);
    return Int32Array.from(data, (u) => Math.floor(Math.fround(u * frames)));
  }
  if (choice === 'random-per-batch') return drawing(choice, key).integer(0, frames);
  return fixedFrame(choice, frames);
}

function drawing(choice: FrameChoice, key: Key | undefined): Key {
  if (key) return key.stream('frame');
  throw new Error(`frames: ${choice} draws frames; wanted the random key of this call, such as random.key(0)`);
}

const named: ReadonlyMap<FrameChoice, (frames: number) => number> = new Map([
  ['first', () => 0],
  ['middle', (frames: number) => frames >> 1],
  ['last', (frames: number) => frames - 1],
]);

function fixedFrame(choice: FrameChoice, frames: number): number {
  const wanted = named.get(choice)?.(frames) ?? Number(choice);
  const index = wanted < 0 ? frames + wanted : wanted;
  if (Number.isInteger(index) && index >= 0 && index < frames) return index;
  if (typeof choice === 'number') {
    throw new RangeError(
      `frames: received frame ${choice} of a clip of ${frames}; wanted an integer within +-${frames}`,
    );
  }
  throw new TypeError(
    `frames: received ${JSON.stringify(choice)}; wanted ${[...named.keys()].join(', ')}, all, a number, ` +
      'random-per-clip (a frame drawn for each clip) or random-per-batch (one for all clips)',
  );
}

/** Frame `index` of clips, [B, T, H, W, 3] -> [B, H, W, 3]. */
export function frameAt(clips: Tensor, index: number): Tensor {
  const [batch, , ...image] = clips.shape as [number, number, number, number, number];
  return tf.reshape(tf.slice(clips, [0, index, 0, 0, 0], [batch, 1, ...image]), [batch, ...image]);
}

/** Frame `indices[b]` (int32 [B]) of clip b as a weighted sum over frames, so that the place is data. */
export function framesAt(clips: Tensor, indices: Tensor): Tensor {
  const [batch, frames] = clips.shape as [number, number, number, number, number];
  const weights = tf.reshape(tf.oneHot(indices.toInt(), frames), [batch, frames, 1, 1, 1]); // [B, T] -> [B, T, 1, 1, 1]
  return tf.sum(tf.mul(clips, weights.toFloat()), 1);
}

/**
 * What happens to frame values outside [0, 1]: `hard` cuts them and their gradient (the reference),
 * `straight-through` cuts the values only, `none` leaves both.
 */
export type FrameClamp = 'hard' | 'straight-through' | 'none';

/** Frames with values in [0, 1] by one of the rules of {@link FrameClamp}. */
export function clampFrames(frames: Tensor, clamp: FrameClamp = 'hard'): Tensor {
  if (clamp === 'none') return frames;
  const cut = tf.clipByValue(frames, 0, 1);
  return clamp === 'hard' ? cut : tf.add(frames, stopGradient(tf.sub(cut, frames)));
}
