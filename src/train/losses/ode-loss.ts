import { type Tensor, tf } from '../../engine/tf.ts';
import type { Key } from '../../nn/index.ts';
import { spread } from './flow-matching.ts';

/**
 * For each sample and block one entry of the step list, shared by the frames of the block: rows `[B]` of `[frames]`.
 * `entries` is the number of states to choose from. Source: CausVid/Self-Forcing ODE regression, diffusion forcing.
 */
export function drawBlockIndices(
  random: Key,
  size: { batch: number; blocks: readonly number[]; entries: number },
): number[][] {
  const { batch, blocks, entries } = size;
  const drawn = random.integers(0, entries, batch * blocks.length);
  return Array.from({ length: batch }, (_, sample) =>
    blocks.flatMap((frames, block) => Array<number>(frames).fill(drawn[sample * blocks.length + block] as number)),
  );
}

/** Frame `f` of sample `b` from state `indices[b][f]`: states `[B, M, F, ...]`, int32 indices `[B, F]` → `[B, F, ...]`. */
export function pickStates(states: Tensor, indices: Tensor): Tensor {
  const [batch = 0, count = 0, frames = 0, ...rest] = states.shape;
  return tf.tidy(() => {
    const rows = states.reshape([batch * count * frames, ...rest]); // [B·M·F, ...]
    const sample = tf
      .range(0, batch, 1, 'int32')
      .mul(tf.scalar(count * frames, 'int32'))
      .reshape([batch, 1]);
    const frame = tf.range(0, frames, 1, 'int32').reshape([1, frames]);
    const position = indices.mul(tf.scalar(frames, 'int32')).add(sample).add(frame); // [B, F]
    return rows.gather(position.reshape([batch * frames]).toInt()).reshape([batch, frames, ...rest]);
  });
}

/**
 * ODE regression: mean squared error of the clean estimate over the frames whose timestep is not 0.
 * `estimate` and `target` `[B, F, ...]`, `timestep` `[B, F]`. Source: CausVid `ODERegression.generator_loss`.
 */
export function odeLoss(estimate: Tensor, target: Tensor, timestep: Tensor): Tensor {
  const error = estimate.sub(target).square();
  const noisy = timestep.notEqual(0).toFloat();
  const perFrame = error.size / noisy.size;
  return error.mul(spread(noisy, error)).sum().div(noisy.sum().mul(perFrame));
}

/** Mean squared error of each sample over all its frames, `[B]`: for logging by noise level. */
export function odeLossPerSample(estimate: Tensor, target: Tensor): Tensor {
  const error = estimate.sub(target).square();
  return error.mean(error.shape.map((_, axis) => axis).slice(1));
}
