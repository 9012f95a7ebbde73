/** Rewards made of rewards: on chosen frames, summed, standardised, in batches, with text that is remembered. */
import { type Tensor, tf } from '../engine/tf.ts';
import type { Key } from '../nn/index.ts';
import { sameShape } from '../nn/internal.ts';
import {
  createReward,
  type Judge,
  type JudgeInfo,
  mapText,
  onFrames,
  type Reward,
  type RewardText,
} from './contract.ts';
import { type FrameChoice, isRandom } from './frames.ts';

/**
 * A clip reward that shows chosen frames to a frame reward; `all` is the mean over frames. Random frames are decided by
 * the key that `score` or `encode` is given and reach `compute` as a tensor, so that a recorded step stays the same.
 *
 * @throws Error for a clip reward. Source: Reward-Forcing, section on frame selection (the last frame is used there).
 * @example const steady = frameSelect(imageReward, 'all');
 */
export function frameSelect<Text extends RewardText>(
  reward: Reward<Text>,
  choice: FrameChoice,
): Reward<Text & { readonly frame?: Tensor }> {
  const { info } = reward;
  if (info.kind !== 'frame') throw new Error(`frameSelect received the clip reward ${info.id}; wanted a frame reward`);
  return createReward({
    info: {
      ...info,
      id: `${info.id}@${choice}`,
      kind: 'clip',
      frames: choice,
      ...(isRandom(choice) && { random: true }),
    },
    ...onFrames(reward, choice),
    dispose: () => reward.dispose(),
  });
}

/** One part of a weighted sum. */
export interface WeightedPart {
  readonly reward: Reward;
  readonly weight: number;
}

/**
 * Sum of weight times score over rewards of one kind. Disposing of it disposes of its parts.
 *
 * @throws Error without a part or with frame and clip rewards mixed, RangeError for a weight that is no finite number.
 */
export function weighted(parts: readonly WeightedPart[]): Reward {
  const info = weightedInfo(parts);
  return createReward({
    info,
    encode: (prompts, clips) => {
      const named = parts.flatMap(({ reward }, i) =>
        Object.entries(reward.encode(prompts, clips)).map(([name, tensor]) => [`${i}.${name}`, tensor] as const),
      );
      return Object.fromEntries(named);
    },
    compute: (frames, text) =>
      tf.addN(parts.map(({ reward, weight }, i) => tf.mul(reward.compute(frames, partOf(text, i)), weight))),
    dispose: () => {
      for (const { reward } of parts) reward.dispose();
    },
  });
}

function partOf(text: RewardText, index: number): RewardText {
  const prefix = `${index}.`;
  const own = Object.entries(text).filter(([name]) => name.startsWith(prefix));
  return Object.fromEntries(own.map(([name, tensor]) => [name.slice(prefix.length), tensor]));
}

function weightedInfo(parts: readonly WeightedPart[]): JudgeInfo {
  const [first] = parts;
  if (first === undefined) throw new Error('weighted received no part; wanted a list of { reward, weight }');
  const wrong = parts.find(({ weight }) => !Number.isFinite(weight));
  if (wrong) throw new RangeError(`the weight of ${wrong.reward.info.id} is ${wrong.weight}; wanted a finite number`);
  const infos = parts.map(({ reward }) => reward.info);
  const { kind, frames } = first.reward.info;
  if (infos.some((info) => info.kind !== kind || (kind === 'frame' && info.frames !== frames))) {
    throw new Error(
      'weighted received frame and clip rewards; turn the frame rewards into clip rewards with frameSelect',
    );
  }
  return {
    id: parts.map(({ reward, weight }) => `${weight} ${reward.info.id}`).join(' + '),
    kind,
    differentiable: infos.every(({ differentiable }) => differentiable),
    ...(kind === 'frame' && frames !== undefined && { frames }),
    ...(infos.some(({ random }) => random) && { random: true }),
    inputSize: infos.find(({ inputSize }) => inputSize !== null)?.inputSize ?? null,
    parts: parts.map(({ reward, weight }) => ({ weight, info: reward.info })),
  };
}

export interface Scale {
  mean: number;
  std: number;
}

/**
 * (score - mean) / std, to bring a reward to unit scale on a reference set: see `measureScale`.
 *
 * @throws RangeError for a mean that is not finite, or a std that is not positive (a reward that is constant there).
 */
export function standardised<Text extends RewardText>(reward: Reward<Text>, { mean, std }: Scale): Reward<Text> {
  if (!(std > 0 && Number.isFinite(std))) throw new RangeError(`std is ${std}; wanted a positive number`);
  if (!Number.isFinite(mean)) throw new RangeError(`mean is ${mean}; wanted a finite number`);
  const own = { mean: reward.info.mean ?? 0, std: reward.info.std ?? 1 };
  return createReward({
    ...reward,
    info: { ...reward.info, mean: own.mean + own.std * mean, std: own.std * std },
    compute: (frames, text) => tf.div(tf.sub(reward.compute(frames, text), mean), std),
  });
}

export interface ReferenceClips {
  /** [B, T, H, W, 3] in [0, 1] */
  readonly video: Tensor;
  readonly prompts: readonly string[];
}

/** Mean and (population) standard deviation of a judge over a reference set; `key` decides whatever is random. */
export async function measureScale(judge: Judge, reference: Iterable<ReferenceClips>, key?: Key): Promise<Scale> {
  const scores: number[] = [];
  for (const { video, prompts } of reference) {
    scores.push(...(await judge.score(video, prompts, key?.stream(scores.length))));
  }
  if (scores.length < 2) throw new Error(`measureScale received ${scores.length} clips; wanted two or more`);
  return meanAndStd(scores);
}

/** Mean and (population) standard deviation of scores. */
export function meanAndStd(scores: readonly number[]): Scale {
  const mean = scores.reduce((sum, value) => sum + value, 0) / scores.length;
  const variance = scores.reduce((sum, value) => sum + (value - mean) ** 2, 0) / scores.length;
  return { mean, std: Math.sqrt(variance) };
}

/** The same reward, computed on at most `size` inputs at a time: less memory for long batches, equal scores. */
export function batched<Text extends RewardText>(reward: Reward<Text>, size: number): Reward<Text> {
  if (!Number.isInteger(size) || size < 1) throw new RangeError(`size: wanted an integer >= 1, received ${size}`);
  return createReward({
    ...reward,
    compute: (frames, text) => {
      const count = frames.shape[0]!;
      if (count <= size) return reward.compute(frames, text);
      const scores: Tensor[] = [];
      for (let at = 0; at < count; at += size) {
        const rows = (x: Tensor): Tensor => tf.slice(x, at, Math.min(size, count - at));
        scores.push(reward.compute(rows(frames), mapText(text, rows)));
      }
      return tf.concat(scores);
    },
  });
}

export interface CachedTextOptions {
  /** Prompts that are remembered; the one unused for longest makes room. @defaultValue 1024 */
  readonly capacity?: number;
}

/**
 * The same reward, whose `encode` remembers prompts: for rewards that read text by a network of its own, such as
 * `clipScore`. Where prompts become tensors of different lengths (VideoAlign) a mixed batch is encoded anew.
 *
 * @throws Error for a reward on random frames, whose `encode` draws them: cache the reward inside of `frameSelect`.
 */
export function cachedText<Text extends RewardText>(
  reward: Reward<Text>,
  { capacity = 1024 }: CachedTextOptions = {},
): Reward<Text> {
  if (reward.info.random) {
    throw new Error(`${reward.info.id} draws frames when it encodes; use frameSelect(cachedText(reward), choice)`);
  }
  const known = new Map<string, Text>();
  const recall = (prompt: string): Text => {
    const rows = known.get(prompt) ?? mapText(reward.encode([prompt]), (row) => tf.keep(row));
    known.delete(prompt);
    known.set(prompt, rows);
    return rows;
  };
  return createReward({
    ...reward,
    encode: (prompts) => {
      const joined = join(prompts.map(recall)) ?? reward.encode(prompts);
      for (const prompt of [...known.keys()].slice(0, Math.max(0, known.size - capacity))) {
        tf.dispose({ ...known.get(prompt) });
        known.delete(prompt);
      }
      return joined;
    },
    dispose: () => {
      for (const rows of known.values()) tf.dispose({ ...rows });
      known.clear();
      reward.dispose();
    },
  });
}

/** Rows of each prompt as tensors of the whole batch; null where their lengths differ. */
function join<Text extends RewardText>(rows: readonly Text[]): Text | null {
  const [first] = rows;
  if (first === undefined) return null;
  const all = (name: string): Tensor[] => rows.map((row) => row[name]!);
  const names = Object.keys(first);
  const fits = names.every((name) => all(name).every(({ shape }) => sameShape(shape, first[name]!.shape)));
  if (!fits) return null;
  const joined = names.map((name) => [name, rows.length === 1 ? tf.clone(first[name]!) : tf.concat(all(name), 0)]);
  return Object.fromEntries(joined) as Text;
}
