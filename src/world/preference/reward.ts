/** A trained preference network as a reward of frames, how well it orders fresh pairs, and the two judges of a world. */
import { type Tensor, tf } from '../../engine/tf.ts';
import { type Net, random } from '../../nn/index.ts';
import { createReward, type Reward, type Scale } from '../../reward/index.ts';
import { meanAndStd, sourceOf } from '../../reward/internal.ts';
import { vocabularyOf } from '../captions.ts';
import type { WorldJudge } from '../judge.ts';
import type { Split } from '../world.ts';
import { type PreferenceConfig, preferenceArchitecture, preferenceConfig } from './config.ts';
import { captionTokens, drawPairs, type PreferenceTask } from './data.ts';
import { preferenceForward } from './model.ts';
import { trainPreference } from './train.ts';

/** How a preference network scores. */
export interface PreferenceRewardOptions {
  /** Of the captions. */
  readonly words: readonly string[];
  readonly id: string;
  /** Scale of the raw score on a reference set. @defaultValue raw scores go out */
  readonly scale?: Scale;
}

/** How well a frame shows a caption of the world, and how cleanly. The reward owns the net from here on. */
export function preferenceReward(
  net: Net<PreferenceConfig>,
  { words, id, scale = { mean: 0, std: 1 } }: PreferenceRewardOptions,
): Reward<{ readonly tokens: Tensor }> {
  const { size, textLength } = net.config;
  return createReward({
    info: {
      id,
      kind: 'frame',
      differentiable: true,
      inputSize: [size, size],
      ...scale,
      weights: { reward: sourceOf(net) },
    },
    encode: (prompts) => ({ tokens: captionTokens(words, prompts, textLength) }),
    compute: (frames, { tokens }) => tf.div(tf.sub(preferenceForward(net, frames, tokens), scale.mean), scale.std),
    dispose: () => net.dispose(),
  });
}

/** How a trained preference network does on fresh pairs. */
export interface PreferenceReport {
  /** Share of pairs ordered rightly. */
  readonly accuracy: number;
  readonly byKind: Readonly<Record<string, number>>;
  /** Mean and deviation of the raw scores of both sides. */
  readonly scale: Scale;
  readonly pairs: number;
}

/** Which pairs {@link validatePreferences} draws. */
export interface ValidateOptions {
  /** @defaultValue 1000 */
  readonly pairs?: number;
  /** @defaultValue 'validation' */
  readonly seed?: number | string;
  /** @defaultValue 'test' */
  readonly split?: Split;
  /** Pairs scored at once. @defaultValue 50 */
  readonly batch?: number;
}

/** Scores fresh pairs and counts those ordered rightly, in all and by kind. */
export async function validatePreferences(
  net: Net<PreferenceConfig>,
  task: PreferenceTask,
  { pairs = 1000, seed = 'validation', split = 'test', batch = 50 }: ValidateOptions = {},
): Promise<PreferenceReport> {
  const key = random.key(seed).stream('preferences');
  const [better, worse, kinds]: [number[], number[], string[]] = [[], [], []];
  for (let done = 0; done < pairs; done += batch) {
    const count = Math.min(batch, pairs - done);
    const drawn = drawPairs(task, key.stream(done), { count, length: net.config.textLength, split });
    const { pictures, tokens } = drawn.batch;
    const scores = tf.tidy(() => preferenceForward(net, pictures, tokens));
    const values = await scores.data<'float32'>();
    tf.dispose([scores, ...Object.values(drawn.batch)]);
    better.push(...values.subarray(0, count));
    worse.push(...values.subarray(count));
    kinds.push(...drawn.kinds);
  }
  const right = better.map((score, i) => Number(score > worse[i]!));
  const share = (of: readonly number[]): number => of.reduce((sum, value) => sum + value, 0) / of.length;
  const byKind = [...new Set(kinds)].sort().map((kind) => {
    return [kind, share(right.filter((_, i) => kinds[i] === kind))] as const;
  });
  return {
    accuracy: share(right),
    byKind: Object.fromEntries(byKind),
    scale: meanAndStd([...better, ...worse]),
    pairs,
  };
}

/** Channels of the second judge's stem: narrower than the reward's, so that the two see differently. */
const SECOND_STEM = 24;

/** The training reward of a world and its second judge: the same pairs, another seed, another stem. */
export function preferenceJudges(task: PreferenceTask): [reward: WorldJudge, judge: WorldJudge] {
  const reward = preferenceConfig(task.size, vocabularyOf(task.words).length);
  const presets = { reward, judge: { ...reward, stem: SECOND_STEM } };
  const architecture = preferenceArchitecture(task.attributes, presets);
  const judgeOf = (id: 'reward' | 'judge', seed: number, variant: string): WorldJudge<PreferenceConfig> => ({
    id,
    variant,
    architecture,
    config: presets[id],
    training: { seed, steps: 1600, batch: 32 },
    train: (net, run) => trainPreference({ ...run, net, task }),
    validate: async (net) => {
      const { scale, accuracy } = await validatePreferences(net, task);
      return { mean: String(scale.mean), std: String(scale.std), accuracy: String(accuracy) };
    },
    reward: (net) => {
      const { mean = '0', std = '1' } = net.about.facts ?? {};
      const scale = { mean: Number(mean), std: Number(std) };
      return preferenceReward(net, { words: task.words, id: `small-${id}`, scale });
    },
  });
  return [
    judgeOf('reward', 0, 'small preference reward'),
    judgeOf('judge', 1, 'small preference reward of another seed and stem'),
  ];
}
