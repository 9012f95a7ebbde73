import { type Tensor, tf } from '../engine/tf.ts';
import type { Key } from '../nn/index.ts';
import { createReward, type Reward } from './contract.ts';

/** Which frames of a clip a frame reward sees; a number counts from 0, negative from the end. */
export type FrameChoice = 'last' | 'first' | 'middle' | 'random' | 'all' | number;

/** Options of `frameSelect`. */
export interface FrameSelectOptions {
  /** Draws the frames of `random`, one for each clip: the run's key of this step. */
  key?: Key;
}

/**
 * A clip reward that shows chosen frames to a frame reward; `all` is the mean over frames.
 *
 * Which frames `random` shows is decided by `encode` from `key` and reaches `compute` as a tensor: a training loop
 * makes a `frameSelect` with the key of each step for `encode`, while the compiled `compute` stays the same.
 * @throws on `random` without a key. Source: Reward-Forcing, section on frame selection (the last frame is used there).
 */
export function frameSelect(reward: Reward, choice: FrameChoice, { key }: FrameSelectOptions = {}): Reward {
  if (reward.info.kind !== 'frame')
    throw new Error(`frameSelect got the clip reward ${reward.info.id}; want a frame reward`);
  if (choice === 'random' && key === undefined) {
    throw new Error("frameSelect: 'random' needs { key }, the run's random key of this step");
  }
  return createReward({
    info: {
      ...reward.info,
      id: `${reward.info.id}@${choice}`,
      kind: 'clip',
      ...(choice === 'random' && { drawsInEncode: true }),
    },
    textInputs: reward.textInputs + (choice === 'random' ? 1 : 0),
    encode: (prompts) => {
      const text = reward.encode(prompts);
      return choice === 'random' ? [drawn(key!, prompts.length), ...text] : text;
    },
    compute: (clips, text) => {
      if (choice === 'all') return meanOverFrames(reward, clips, text);
      if (choice === 'random') return reward.compute(pick(clips, text[0]!), text.slice(1));
      return reward.compute(frameAt(clips, frameIndex(choice, clips.shape[1]!)), text);
    },
    dispose: () => reward.dispose(),
  });
}

/** Index of a fixed choice in a clip of `frames` frames. */
export function frameIndex(choice: Exclude<FrameChoice, 'random' | 'all'>, frames: number): number {
  const named = { first: 0, middle: frames >> 1, last: frames - 1 };
  const wanted = typeof choice === 'string' ? named[choice] : choice;
  const index = wanted < 0 ? frames + wanted : wanted;
  if (Number.isInteger(index) && index >= 0 && index < frames) return index;
  throw new RangeError(`frameSelect: frame ${choice} of a clip of ${frames}; want an integer within +-${frames}`);
}

/** Uniform numbers in [0, 1), [B]. */
function drawn(key: Key, count: number): Tensor {
  return tf.tensor1d(key.stream('frame').uniform([count]).data);
}

function frameAt(clips: Tensor, index: number): Tensor {
  const [batch, , ...image] = clips.shape as [number, number, number, number, number];
  return tf.reshape(tf.slice(clips, [0, index, 0, 0, 0], [batch, 1, ...image]), [batch, ...image]);
}

/** Frame floor(u T) of each clip as a weighted sum over frames, so that the place is data. */
function pick(clips: Tensor, u: Tensor): Tensor {
  const [batch, frames] = clips.shape as [number, number, number, number, number];
  const index = tf.floor(tf.mul(u, frames)).toInt();
  const weights = tf.reshape(tf.oneHot(index, frames), [batch, frames, 1, 1, 1]).toFloat(); // [B, T] -> [B, T, 1, 1, 1]
  return tf.sum(tf.mul(clips, weights), 1);
}

function meanOverFrames(reward: Reward, clips: Tensor, text: readonly Tensor[]): Tensor {
  const [batch, frames, ...image] = clips.shape as [number, number, number, number, number];
  const flat = tf.reshape(clips, [batch * frames, ...image]); // [B, T, H, W, 3] -> [B T, H, W, 3]
  const scores = reward.compute(
    flat,
    text.map((tensor) => repeatEach(tensor, frames)),
  );
  return tf.mean(tf.reshape(scores, [batch, frames]), 1);
}

/** Each entry of the first axis `times` times in a row. */
function repeatEach(tensor: Tensor, times: number): Tensor {
  const [batch, ...rest] = tensor.shape as [number, ...number[]];
  const tiled = tf.tile(tf.reshape(tensor, [batch, 1, ...rest]), [1, times, ...rest.map(() => 1)]);
  return tf.reshape(tiled, [batch * times, ...rest]);
}
