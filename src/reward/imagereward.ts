import { basename } from 'node:path';
import { type Tensor, tf } from '../engine/tf.ts';
import {
  type ImageRewardConfig,
  imageRewardForward,
  imageReward as imageRewardNet,
  imageTransforms,
  openCheckpoint,
  openWordPiece,
  type PromptTokenizer,
  preprocess,
} from '../model/internal.ts';
import type { Net } from '../nn/index.ts';
import { fromFile } from '../nn/internal.ts';
import { createReward, type Reward, sourceOf } from './contract.ts';
import { clampFrames, type FrameClamp } from './frames.ts';

/** A prompt that did not fit into the tokens a reward reads. */
export interface TruncatedPrompt {
  readonly prompt: string;
  /** Word pieces that the reward sees. */
  readonly kept: number;
  /** Word pieces of the whole prompt. */
  readonly total: number;
}

/** Dials of ImageReward; the defaults are the reference's. */
export interface ImageRewardOptions {
  /** Tokens of a prompt, [CLS] and [SEP] included. @defaultValue 35 */
  readonly textLength?: number;
  /** What happens to frame values outside [0, 1]. @defaultValue 'hard' */
  readonly clamp?: FrameClamp;
  /** Whether frames below 128 pixels are scored, far outside of what the model was trained on. @defaultValue false */
  readonly allowTiny?: boolean;
  /** Hears of each prompt that is cut. @defaultValue one warning by `process.emitWarning`, for the first of them */
  readonly onTruncated?: (cut: TruncatedPrompt) => void;
}

const SMALLEST_SIDE = 128;

/** Prompts as word pieces and their mask, int32 [B, L]. */
export type ImageRewardText = { readonly ids: Tensor; readonly mask: Tensor };

/**
 * ImageReward v1.0: how well a frame shows a prompt and how much people like it, about N(0, 1). The middle square of
 * the frame is seen, at the tower's resolution. It owns `net` from here on.
 *
 * @throws (from the reward) RangeError on frames below 128 pixels.
 * Source: Xu et al. 2023, arXiv 2304.05977; ImageReward ImageReward/ImageReward.py.
 * @example
 * const reward = imageReward(net, await openWordPiece('bert-base-uncased/tokenizer.json'));
 * const scores = await reward.score(video, ['a red fox in the snow']);
 */
export function imageReward(
  net: Net<ImageRewardConfig>,
  tokenizer: PromptTokenizer,
  { textLength = 35, allowTiny = false, clamp = 'hard', onTruncated = warnOnce() }: ImageRewardOptions = {},
): Reward<ImageRewardText> {
  const { reward_mean: mean, reward_std: std, vit } = net.config;
  const transform = { ...imageTransforms.clip, size: vit.image_size };
  return createReward({
    info: {
      id: 'imagereward',
      kind: 'frame',
      differentiable: true,
      mean,
      std,
      inputSize: null,
      weights: { imagereward: sourceOf(net) },
      settings: { resize: 'bicubic, antialiased, as PIL', size: vit.image_size, textLength, clamp, allowTiny },
    },
    encode: (prompts) => {
      reportCuts(tokenizer, prompts, textLength, onTruncated);
      const { ids, mask } = tokenizer.batch(prompts, textLength);
      return { ids, mask };
    },
    compute: (frames, text) => {
      checkSide(frames, allowTiny);
      const images = preprocess(clampFrames(frames, clamp), transform);
      return tf.div(tf.sub(imageRewardForward(net, images, text), mean), std);
    },
    dispose: () => net.dispose(),
  });
}

export interface ImageRewardFiles {
  /** `ImageReward.pt` as published, or a `.safetensors` file with the same names. */
  readonly checkpoint: string;
  /** `tokenizer.json` or `vocab.txt` of bert-base-uncased. */
  readonly tokenizer: string;
}

/**
 * {@link imageReward} from its published files, of the published sizes; the weights are frozen.
 *
 * @throws Error naming the file that does not fit, with the weights that are missing or misshapen.
 */
export async function openImageReward(
  { checkpoint, tokenizer }: ImageRewardFiles,
  {
    config = imageRewardNet.presets['imagereward-v1.0'],
    ...options
  }: ImageRewardOptions & { readonly config?: ImageRewardConfig } = {},
): Promise<Reward<ImageRewardText>> {
  const pieces = await openWordPiece(tokenizer);
  const net = await fromFile(checkpoint, async (path) =>
    imageRewardNet.load(config, (await openCheckpoint(path)).entries(), {
      trainable: false,
      about: { origin: basename(path) },
    }),
  );
  return imageReward(net, pieces, options);
}

/** ReFL's loss: scale * mean(max(0, target - R)), which stops pushing scores that reached the target. */
export function reflLoss(scores: Tensor, target: number = 2, scale: number = 1e-3): Tensor {
  return tf.tidy(() => tf.mul(tf.mean(tf.relu(tf.sub(target, scores))), scale));
}

function checkSide(frames: Tensor, allowTiny: boolean): void {
  const [, height, width] = frames.shape as [number, number, number, number];
  if (allowTiny || Math.min(height, width) >= SMALLEST_SIDE) return;
  throw new RangeError(
    `imagereward: frames have ${height}x${width} pixels, wanted ${SMALLEST_SIDE} or more on the shorter side; ` +
      'allowTiny: true scores them all the same, far outside of the training distribution',
  );
}

/** Warns of the first prompt that is cut: the same prompts come back step after step. */
function warnOnce(): (cut: TruncatedPrompt) => void {
  let isDone = false;
  return ({ prompt, kept, total }) => {
    if (isDone) return;
    isDone = true;
    const share = Math.round((100 * (total - kept)) / total);
    process.emitWarning(
      `imagereward reads ${kept} word pieces of a prompt; ${share} % of "${prompt}" (${total}) are not seen. ` +
        'Give it shorter prompts; onTruncated hears of every one that is cut',
    );
  };
}

function reportCuts(
  tokenizer: PromptTokenizer,
  prompts: readonly string[],
  length: number,
  onTruncated: (cut: TruncatedPrompt) => void,
): void {
  const brackets = 2;
  for (const prompt of prompts) {
    const total = tokenizer.encode(prompt).length - brackets;
    if (total > length - brackets) onTruncated({ prompt, kept: length - brackets, total });
  }
}
