/** An anchor of a reward stage: how far the student has moved from a frozen one, at the very states that it passes. */
import { type Tensor, tf } from '../../engine/tf.ts';
import type { WanConfig } from '../../model/internal.ts';
import { type Net, stopGradient, withoutLora } from '../../nn/index.ts';
import { causalStudent } from '../../sampler/index.ts';
import { lastBlock } from '../../sampler/internal.ts';
import { checkChoice, checkNet, checkNumber } from '../ingredients.ts';
import type { Objective } from '../optimiser/optimiser.ts';
import type { Rolled } from './supervised-rollout.ts';

export interface AnchorOptions {
  /** A frozen student to stay near, usually a copy of phase 1's. @defaultValue under a LoRA the net beneath it */
  net?: Net<WanConfig>;
  /** Factor of the mean squared difference. */
  weight: number;
  /**
   * Between velocities (DiffusionNFT, Flow-Factory), or between clean estimates (Astrolabe), which counts a state at noise
   * level s only s² times. @defaultValue 'velocity'
   */
  form?: 'velocity' | 'x0';
  /** While the mean squared difference is above this, the reward does not pull: the anchor alone does. @defaultValue none */
  limit?: number;
}

export interface AnchorSettings extends Required<Omit<AnchorOptions, 'limit'>> {
  limit: number | null;
}

/** @throws TypeError where there is no net to stay near, RangeError for numbers that cannot be. */
export function settleAnchor(given: AnchorOptions | undefined, student: Net<WanConfig>): AnchorSettings | null {
  if (!given) return null;
  const { limit, form = 'velocity' } = given;
  if (!given.net && !student.weights.overlay) {
    throw new TypeError(
      'anchor.net: wanted a frozen copy of the student, such as student.clone(); only a LoRA has one',
    );
  }
  return {
    net: given.net ? checkNet('anchor.net', given.net) : withoutLora(student),
    weight: checkNumber('anchor.weight', given.weight, { above: 0 }),
    form: checkChoice('anchor.form', form, ['velocity', 'x0']),
    limit: limit === undefined ? null : checkNumber('anchor.limit', limit, { above: 0 }),
  };
}

/** The frozen student's clean estimates `[B, f, H, W, C]` of the supervised blocks, from the same states and the same past. */
export function referenceEstimates({ net }: AnchorSettings, { context, rollouts }: Rolled): Tensor[] {
  const reference = causalStudent(net, context);
  try {
    return rollouts.map(({ x, t, sigma, blocks }) => {
      const first = reference.emptyCache(x);
      const cache = blocks.reduce((past, block) => reference.remember(block, 0, past), first);
      try {
        return lastBlock(reference, { x, t, sigma, cache });
      } finally {
        reference.release(cache);
      }
    });
  } finally {
    reference.dispose();
  }
}

/**
 * Mean over all values of `(v - v_ref)²`, from clean estimates `x0 = x - s v` at noise levels `sigma`; in the form `x0`
 * of `(x0 - x0_ref)²`. A scalar. Source: DiffusionNFT scripts/train_nft_sd3.py; Astrolabe scripts/train_nft_wan.py.
 */
export function drift(
  x0: Tensor,
  reference: Tensor,
  { sigma, form }: { sigma: Tensor | number; form: AnchorSettings['form'] },
): Tensor {
  const difference = tf.sub(x0, reference);
  return tf.mean(tf.square(form === 'velocity' ? tf.div(difference, sigma) : difference));
}

/** The drift of the supervised blocks, their mean. */
export function driftOf(
  { form }: AnchorSettings,
  { rollouts }: Rolled,
  x0: readonly Tensor[],
  reference: readonly Tensor[],
): Tensor {
  const parts = rollouts.map(({ sigma }, i) => drift(x0[i]!, reference[i]!, { sigma, form }));
  return tf.div(tf.addN(parts), parts.length);
}

/** `L = reward + weight · drift`, without the reward where the drift is above its limit. Reports `drift` and `held`. */
export function anchored<Name extends string>(
  { weight, limit }: AnchorSettings,
  reward: Objective<Name>,
  moved: Tensor,
): Objective<Name | 'drift' | 'held'> {
  const held = limit === null ? tf.scalar(0) : tf.cast(tf.greater(stopGradient(moved), limit), 'float32');
  const pull = limit === null ? reward.loss : tf.mul(reward.loss, tf.sub(1, held));
  const loss = tf.add(pull, tf.mul(moved, weight));
  return { loss, values: { ...reward.values, drift: moved, held } as Record<Name | 'drift' | 'held', Tensor> };
}
