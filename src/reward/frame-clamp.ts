import { type Tensor, tf } from '../engine/tf.ts';
import { stopGradient } from '../nn/index.ts';

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
