import { tf } from '../../../engine/tf.ts';
import { random, type Weights } from '../../../nn/index.ts';
import type { Scale } from '../../../reward/index.ts';
import { meanAndStd } from '../../../reward/internal.ts';
import type { digits } from '../../index.ts';
import type { SmallRewardConfig } from './config.ts';
import { smallRewardForward } from './model.ts';
import { PAIR_KINDS, type PairKind, preferenceBatch } from './pairs.ts';

/** How a trained small reward does on fresh pairs. */
export interface PreferenceReport {
  /** Share of pairs ordered rightly. */
  accuracy: number;
  byKind: Record<PairKind, number>;
  /** Mean and deviation of the raw scores of both sides: the `scale` of `smallReward`. */
  scale: Scale;
  pairs: number;
}

/** Dials of `validatePreferences`. */
export interface ValidateOptions {
  /** Default 1000. */
  pairs?: number;
  seed?: number | string;
  /** Handwriting never seen in training by default. */
  split?: digits.Split;
  /** Pairs scored at once. Default 50. */
  batch?: number;
}

/** Scores fresh pairs and counts those ordered rightly, in all and by kind. */
export async function validatePreferences(
  weights: Weights,
  config: SmallRewardConfig,
  options: ValidateOptions = {},
): Promise<PreferenceReport> {
  const { pairs = 1000, seed = 'validation', split = 'test', batch = 50 } = options;
  const key = random.key(seed).stream('preferences');
  const better: number[] = [];
  const worse: number[] = [];
  const kinds: PairKind[] = [];
  for (let done = 0; done < pairs; done += batch) {
    const drawn = preferenceBatch(key.stream(done), Math.min(batch, pairs - done), config.textLength, split);
    const scores = await rawScores(weights, config, drawn.pictures, drawn.tokens);
    better.push(...scores.subarray(0, drawn.kinds.length));
    worse.push(...scores.subarray(drawn.kinds.length));
    kinds.push(...drawn.kinds);
  }
  const right = better.map((score, i) => score > worse[i]!);
  const share = (of: (i: number) => boolean): number => {
    const chosen = right.filter((_, i) => of(i));
    return chosen.filter(Boolean).length / chosen.length;
  };
  const byKind = Object.fromEntries(PAIR_KINDS.map((kind) => [kind, share((i) => kinds[i] === kind)]));
  const scale = meanAndStd([...better, ...worse]);
  return { accuracy: share(() => true), byKind: byKind as Record<PairKind, number>, scale, pairs };
}

async function rawScores(
  weights: Weights,
  { size, textLength, ...rest }: SmallRewardConfig,
  pictures: Float32Array,
  tokens: Int32Array,
): Promise<Float32Array> {
  const count = tokens.length / textLength;
  const scores = tf.tidy(() => {
    const frames = tf.tensor4d(pictures, [count, size, size, 3]);
    const captions = tf.tensor2d(tokens, [count, textLength], 'int32');
    return smallRewardForward({ weights, config: { size, textLength, ...rest } }, frames, captions);
  });
  const values = await scores.data<'float32'>();
  scores.dispose();
  return values;
}
