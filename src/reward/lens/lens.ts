/** A reward's view of one frame of a clip: slope, what covering costs, the curve along the clip, a climb. */
import { type Tensor, tf } from '../../engine/tf.ts';
import type { Clip } from '../../io/index.ts';
import type { Key } from '../../nn/index.ts';
import type { Reward } from '../contract.ts';
import { type OcclusionMap, type OcclusionOptions, occlusionMap } from './occlusion.ts';
import {
  type Climb,
  type ClimbOptions,
  climb,
  frameGradient,
  frameOf,
  picture,
  scoresOf,
  seenBy,
  type View,
} from './view.ts';

export interface LensOptions {
  /** Frame looked at, negative from the end. @defaultValue -1 */
  frame?: number;
  occlusion?: OcclusionOptions;
  /** Null leaves the climb out. @defaultValue {} */
  climb?: ClimbOptions | null;
  /** Decides the frames of a reward that draws them. */
  key?: Key;
}

/** A reward's view of one frame of a clip; `show.lens` draws it. */
export interface RewardLens {
  /** Name of the reward. */
  reward: string;
  prompt: string;
  clip: Clip;
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
  const view: View = { reward, clip, prompt, frame: frameOf(clip, options.frame ?? -1), key: options.key };
  const [score = 0] = await scoresOf(view, () => seenBy(view));
  const hasSlope = reward.info.differentiable;
  return {
    reward: reward.info.id,
    prompt,
    clip,
    frame: view.frame,
    score,
    gradient: hasSlope ? await frameGradient(view) : null,
    occlusion: await occlusionMap(view, options.occlusion),
    curve: await frameCurve(view),
    climb: hasSlope && options.climb !== null ? await climb(view, options.climb) : null,
  };
}

/** One number for each frame of a clip. */
export interface FrameCurve {
  /** `score`: a frame reward's score of each frame; `worth`: what a clip reward loses when the frame stands still. */
  meaning: 'score' | 'worth';
  values: number[];
}

/**
 * How a reward runs along a clip. A frame reward scores each frame. A clip reward has one score, so each frame is
 * replaced by its predecessor (the first by its successor) and the loss is told: the frames it needs to see.
 */
export async function frameCurve(view: Omit<View, 'frame'>): Promise<FrameCurve> {
  const isClip = view.reward.info.kind === 'clip';
  const values = isClip ? await worths({ ...view, frame: 0 }) : await scores({ ...view, frame: 0 });
  return { meaning: isClip ? 'worth' : 'score', values };
}

async function scores(view: View): Promise<number[]> {
  const { frames, height, width } = view.clip;
  const values: number[] = [];
  for (let frame = 0; frame < frames; frame++) {
    const seen = (): Tensor => tf.tensor(picture(view.clip, frame), [1, height, width, 3]);
    values.push(...(await scoresOf(view, seen)));
  }
  return values;
}

async function worths(view: View): Promise<number[]> {
  const { frames } = view.clip;
  const [own = 0] = await scoresOf(view, () => seenBy(view));
  const values: number[] = [];
  for (let frame = 0; frame < frames; frame++) {
    const shown = Array.from({ length: frames }, (_, i) => (i === frame ? Math.abs(frame - 1) % frames : i));
    const stilled = await scoresOf(view, () => tf.gather(seenBy(view), tf.tensor1d(shown, 'int32'), 1));
    values.push(own - stilled[0]!);
  }
  return values;
}
