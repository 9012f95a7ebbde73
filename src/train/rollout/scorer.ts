import { type Tensor, tf } from '../../engine/tf.ts';
import { createClip } from '../../io/index.ts';
import { type Key, withoutGradient } from '../../nn/index.ts';
import { type ExternalReward, type FrameChoice, frameSelect, type Reward } from '../../reward/index.ts';

/** Gives clips numbers, and nothing else: no gradient is asked for. */
export interface Scorer {
  /** Name of the reward, part of a run's settings. */
  readonly id: string;
  /** A score for each clip of `video` `[B, T, H, W, 3]` in [0, 1]; `key` decides whatever is random. */
  score(video: Tensor, prompts: readonly string[], key: Key): Promise<number[]>;
}

/** A reward of this process as a scorer; frame rewards see the chosen frames of a clip, by default the last. */
export function rewardScorer(reward: Reward, frames: FrameChoice = 'last'): Scorer {
  const isClip = reward.info.kind === 'clip';
  return {
    id: isClip ? reward.info.id : `${reward.info.id}@${frames}`,
    score: async (video, prompts, key) => {
      const judge = isClip ? reward : frameSelect(reward, frames, { key });
      const scores = tf.tidy(() => withoutGradient(() => judge.score(video, prompts)));
      const values = [...(await scores.data<'float32'>())];
      scores.dispose();
      return values;
    },
  };
}

/** A reward outside of this process as a scorer; clips are rated one after the other. */
export function externalScorer(reward: ExternalReward<{ readonly score: number }>, fps: number): Scorer {
  return {
    id: reward.info.id,
    score: async (video, prompts) => {
      const [, frames, height, width] = video.shape as [number, number, number, number, number];
      const data = await video.data<'float32'>();
      const length = data.length / prompts.length;
      const scores: number[] = [];
      for (const [i, prompt] of prompts.entries()) {
        const clip = createClip(data.slice(i * length, (i + 1) * length), { frames, height, width, fps });
        scores.push((await reward.rate(clip, prompt)).score);
      }
      return scores;
    },
  };
}
