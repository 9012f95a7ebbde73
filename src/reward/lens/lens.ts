import type { Clip } from '../../io/index.ts';
import type { Reward } from '../contract.ts';
import { type Climb, type ClimbOptions, climb, frameGradient } from './gradient.ts';
import { frameOf, scoresOf, seenBy, type View } from './looks.ts';
import { type OcclusionMap, type OcclusionOptions, occlusionMap } from './occlusion.ts';
import { type FrameCurve, frameCurve } from './over-time.ts';

/** What to look at. */
export interface LensOptions {
  /** Frame looked at, negative from the end. @defaultValue -1 */
  frame?: number;
  occlusion?: OcclusionOptions;
  /** Null leaves the climb out. */
  climb?: ClimbOptions | null;
}

/** A reward's view of one frame of a clip; `show.lens` draws it. */
export interface RewardLens {
  /** Name of the reward. */
  reward: string;
  prompt: string;
  clip: Clip;
  /** Index from 0. */
  frame: number;
  /** Of the frame, or of the clip where the reward judges clips. */
  score: number;
  /** Slope of the score by each value of the frame [H, W, 3]; null without gradient. */
  gradient: Float32Array | null;
  occlusion: OcclusionMap;
  curve: FrameCurve;
  climb: Climb | null;
}

/**
 * Looks through a reward at a frame: the gradient on its pixels, what covering each place costs, the reward along the
 * clip, and the picture that a climb on the pixels ends at.
 *
 * @example show.lens(await reward.lens(imageReward, clip, 'a red fox in the snow'))
 */
export async function lens(reward: Reward, clip: Clip, prompt: string, options: LensOptions = {}): Promise<RewardLens> {
  const view: View = { reward, clip, prompt, frame: frameOf(clip, options.frame ?? -1) };
  const [score = 0] = await scoresOf(view, () => seenBy(view));
  const hasSlope = reward.info.differentiable;
  return {
    ...{ reward: reward.info.id, prompt, clip, frame: view.frame, score },
    gradient: hasSlope ? await frameGradient(view) : null,
    occlusion: await occlusionMap(view, options.occlusion),
    curve: await frameCurve(view),
    climb: hasSlope && options.climb !== null ? await climb(view, options.climb) : null,
  };
}
