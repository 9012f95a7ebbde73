import { type Tensor, tf } from '../engine/tf.ts';
import { withoutGradient } from '../nn/index.ts';

/** What a reward says about itself; stored with every number it gives. */
export interface RewardInfo {
  readonly id: string;
  /** `frame` scores single pictures, `clip` whole videos. */
  readonly kind: 'frame' | 'clip';
  /** Whether the score has a gradient with respect to the frames. */
  readonly differentiable: boolean;
  readonly higherIsBetter: true;
  /** Raw score that becomes 0. */
  readonly mean?: number;
  /** Raw deviation that becomes 1. */
  readonly std?: number;
  /** [H, W] the reward insists on; null takes any size. */
  readonly inputSize: readonly [number, number] | null;
  /** Whether `encode` draws at random (which frames are seen): what it returns for a prompt must not be kept. */
  readonly drawsInEncode?: boolean;
  readonly weightsSha256?: string;
  /** Choices that change the numbers: how frames are resized, what is scored although it should not be. */
  readonly settings?: Readonly<Record<string, string | number | boolean>>;
}

/**
 * A judge of generated video. Frames come as [B, H, W, 3] (frame reward) or [B, T, H, W, 3] (clip reward) in [0, 1],
 * scores go as float32 [B], higher is better, already standardised with `mean` and `std`. Weights are frozen, but the
 * gradient flows through them to the frames. A score does not depend on the rest of the batch.
 */
export interface Reward {
  readonly info: RewardInfo;
  /** How many tensors `encode` returns. */
  readonly textInputs: number;
  /** Prompts as tensors with a first axis of B: the inputs of `compute` that change from step to step. */
  encode(prompts: readonly string[]): Tensor[];
  /** Scores [B] in tensor operations alone, so that a compiled training step can contain it; values are not checked. */
  compute(frames: Tensor, text: readonly Tensor[]): Tensor;
  /** Scores [B]; reads the frames to check that they lie in [0, 1]. */
  score(frames: Tensor, prompts: readonly string[]): Tensor;
  dispose(): void;
}

/** What an implementation provides; `createReward` adds the checks of the contract. */
export type RewardParts = Pick<Reward, 'info' | 'textInputs' | 'encode' | 'compute' | 'dispose'>;

/** Values this far outside [0, 1] are taken for rounding. */
const SLACK = 1e-3;

/**
 * A reward from its parts, with the checks that every reward owes its callers.
 * @throws (from the reward) on a wrong shape, size, number of prompts, or a value outside [0, 1].
 */
export function createReward(parts: RewardParts): Reward {
  const { info } = parts;
  const compute = (frames: Tensor, text: readonly Tensor[]): Tensor => {
    checkShape(info, frames);
    if (info.differentiable) return tf.tidy(() => parts.compute(frames, text));
    return withoutGradient(() => tf.tidy(() => parts.compute(frames, text)));
  };
  const score = (frames: Tensor, prompts: readonly string[]): Tensor => {
    checkShape(info, frames);
    if (prompts.length !== frames.shape[0]) {
      throw new Error(`${info.id}: got ${prompts.length} prompts for ${frames.shape[0]} inputs; want one for each`);
    }
    checkValues(info.id, frames.dataSync());
    return tf.tidy(() => compute(frames, parts.encode(prompts)));
  };
  return { ...parts, compute, score };
}

function checkShape({ id, kind, inputSize }: RewardInfo, frames: Tensor): void {
  const rank = kind === 'frame' ? 4 : 5;
  const [height, width, channels] = frames.shape.slice(-3);
  const fits = inputSize === null || (height === inputSize[0] && width === inputSize[1]);
  if (frames.rank === rank && channels === 3 && fits) return;
  const [h, w] = inputSize ?? ['H', 'W'];
  const wanted = kind === 'frame' ? `[B, ${h}, ${w}, 3]` : `[B, T, ${h}, ${w}, 3]`;
  const hint = frames.rank === 5 && kind === 'frame' ? '; wrap the reward in frameSelect for whole clips' : '';
  throw new Error(`${id}: frames have shape [${frames.shape}], want ${wanted}${hint}`);
}

/** Throws unless all values of frames lie in [0, 1], up to rounding. */
export function checkValues(id: string, values: ArrayLike<number>): void {
  let [low, high] = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY];
  for (let i = 0; i < values.length; i++) {
    const value = values[i]!;
    if (Number.isNaN(value)) throw new RangeError(`${id}: frames contain NaN; want finite values in [0, 1]`);
    if (value < low) low = value;
    if (value > high) high = value;
  }
  if (low >= -SLACK && high <= 1 + SLACK) return;
  throw new RangeError(
    `${id}: frames lie in [${low}, ${high}], want [0, 1]; ` +
      'decoded videos in [-1, 1] become frames by x / 2 + 0.5, then a clamp',
  );
}
