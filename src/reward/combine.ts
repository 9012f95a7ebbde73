import { type Tensor, tf } from '../engine/tf.ts';
import { createReward, type Reward, type RewardInfo } from './contract.ts';

/** One part of a weighted sum. */
export interface WeightedPart {
  reward: Reward;
  weight: number;
}

/**
 * Sum of weight times score over rewards of one kind. Disposing of it disposes of its parts.
 *
 * @throws Error without a part or with frame and clip rewards mixed, RangeError for a weight that is no finite number.
 */
export function weighted(parts: readonly WeightedPart[]): Reward {
  const [first] = parts;
  if (first === undefined) throw new Error('weighted got no part; want a list of { reward, weight }');
  const wrong = parts.find(({ weight }) => !Number.isFinite(weight));
  if (wrong) throw new RangeError(`the weight of ${wrong.reward.info.id} is ${wrong.weight}; want a finite number`);
  const kinds = new Set(parts.map(({ reward }) => reward.info.kind));
  if (kinds.size > 1) {
    throw new Error('weighted got frame and clip rewards; turn the frame rewards into clip rewards with frameSelect');
  }
  return createReward({
    info: weightedInfo(parts, first.reward.info),
    textInputs: parts.reduce((sum, { reward }) => sum + reward.textInputs, 0),
    encode: (prompts) => parts.flatMap(({ reward }) => reward.encode(prompts)),
    compute: (frames, text) => {
      let at = 0;
      const scores = parts.map(({ reward, weight }) => {
        const own = text.slice(at, at + reward.textInputs);
        at += reward.textInputs;
        return tf.mul(reward.compute(frames, own), weight);
      });
      return tf.addN(scores);
    },
    dispose: () => {
      for (const { reward } of parts) reward.dispose();
    },
  });
}

function weightedInfo(parts: readonly WeightedPart[], { kind }: RewardInfo): RewardInfo {
  const sizes = parts.flatMap(({ reward }) => (reward.info.inputSize ? [reward.info.inputSize] : []));
  return {
    id: parts.map(({ reward, weight }) => `${weight} ${reward.info.id}`).join(' + '),
    kind,
    differentiable: parts.every(({ reward }) => reward.info.differentiable),
    higherIsBetter: true,
    inputSize: sizes[0] ?? null,
    ...(parts.some(({ reward }) => reward.info.drawsInEncode) && { drawsInEncode: true }),
  };
}

/** Mean and standard deviation of raw scores. */
export interface Scale {
  mean: number;
  std: number;
}

/**
 * (score - mean) / std, to bring a reward to unit scale on a reference set: see `measureScale`.
 *
 * @throws RangeError for a mean that is not finite, or a std that is not positive (a reward that is constant there).
 */
export function standardised(reward: Reward, { mean, std }: Scale): Reward {
  if (!(std > 0 && Number.isFinite(std))) throw new RangeError(`std is ${std}; want a positive number`);
  if (!Number.isFinite(mean)) throw new RangeError(`mean is ${mean}; want a finite number`);
  const { info } = reward;
  const own = { mean: info.mean ?? 0, std: info.std ?? 1 };
  return createReward({
    info: { ...info, mean: own.mean + own.std * mean, std: own.std * std },
    textInputs: reward.textInputs,
    encode: (prompts) => reward.encode(prompts),
    compute: (frames, text) => tf.div(tf.sub(reward.compute(frames, text), mean), std),
    dispose: () => reward.dispose(),
  });
}

/** Mean and (population) standard deviation of a reward over a reference set of inputs. */
export async function measureScale(
  reward: Reward,
  reference: Iterable<{ frames: Tensor; prompts: readonly string[] }>,
): Promise<Scale> {
  const scores: number[] = [];
  for (const { frames, prompts } of reference) {
    const batch = reward.score(frames, prompts);
    scores.push(...(await batch.data()));
    batch.dispose();
  }
  if (scores.length < 2) throw new Error(`measureScale got ${scores.length} inputs; want two or more`);
  return meanAndStd(scores);
}

/** Mean and (population) standard deviation of scores. */
export function meanAndStd(scores: readonly number[]): Scale {
  const mean = scores.reduce((sum, value) => sum + value, 0) / scores.length;
  const variance = scores.reduce((sum, value) => sum + (value - mean) ** 2, 0) / scores.length;
  return { mean, std: Math.sqrt(variance) };
}
