import { type Tensor, tf } from '../../engine/tf.ts';
import { createReward, type Reward } from '../../reward/index.ts';
import { parseCaption } from './captions.ts';
import { velocity } from './clip.ts';

/**
 * A clip reward without weights: does the light move as the caption of the digit world says?
 * R = 1 - mean over frame pairs of |d - v|^2 / |v|^2, with d the displacement of the centre of light and v the velocity
 * that the caption claims in pixels per frame: 1 for the right motion, 0 for a still clip, -3 for the opposite one.
 * It is blind to digit and colour, as a frame reward is to motion.
 */
export function motionReward(): Reward<{ readonly velocity: Tensor }> {
  return createReward({
    info: { id: 'motion', kind: 'clip', differentiable: true, inputSize: null },
    encode: (prompts) => ({
      velocity: tf.tensor2d(prompts.map((prompt) => velocity(parseCaption(prompt)))),
    }),
    compute: (clips, { velocity: claimed }) => {
      const centres = lightCentres(clips);
      const [batch, frames] = centres.shape as [number, number, number];
      const later = tf.slice(centres, [0, 1, 0], [batch, frames - 1, 2]);
      const displacement = tf.sub(later, tf.slice(centres, [0, 0, 0], [batch, frames - 1, 2])); // [B, T - 1, 2]
      const error = tf.sum(tf.square(tf.sub(displacement, tf.reshape(claimed, [batch, 1, 2]))), 2);
      return tf.sub(1, tf.div(tf.mean(error, 1), tf.sum(tf.square(claimed), 1)));
    },
    dispose: () => {},
  });
}

/** Centre [x, y] of the squared brightness of each frame, [B, T, H, W, 3] -> [B, T, 2]; squares keep dim noise out. */
function lightCentres(clips: Tensor): Tensor {
  const [, , height, width] = clips.shape as [number, number, number, number, number];
  const light = tf.add(tf.square(tf.mean(clips, 4)), 1e-6); // [B, T, H, W]
  const mass = tf.sum(light, [2, 3]);
  const x = tf.sum(tf.mul(tf.sum(light, 2), range(width)), 2); // [B, T]
  const y = tf.sum(tf.mul(tf.sum(light, 3), range(height)), 2);
  return tf.stack([tf.div(x, mass), tf.div(y, mass)], 2);
}

function range(length: number): Tensor {
  return tf.tensor1d(Float32Array.from({ length }, (_, i) => i));
}
