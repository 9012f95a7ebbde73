/** VBench's dimensions that look at frames: consistency, aesthetics, imaging quality, style and agreement with the prompt. */
import { type Tensor, type Tensor2D, tf } from '../../engine/tf.ts';
import type { Clip } from '../../io/index.ts';
import {
  type ClipConfig,
  type ClipTokenizer,
  clipImageFeatures,
  clipLogits,
  clipTextFeatures,
  normalised,
} from '../../model/clip/index.ts';
import { type DinoConfig, dinoFeatures } from '../../model/dino/index.ts';
import { type MusiqConfig, musiqScore } from '../../model/musiq/index.ts';
import { type ImageTransform, imageTransforms, preprocess, resample } from '../../model/preprocess/index.ts';
import { type ViclipConfig, viclipTextFeatures, viclipVideoFeatures } from '../../model/viclip/index.ts';
import type { Part } from '../../nn/index.ts';
import { type AestheticHeadConfig, aestheticScore } from '../../reward/index.ts';
import { mean } from '../statistics/index.ts';
import { byteFrames, eachFrame, middleFrames } from './frames.ts';
import { consistency } from './rules.ts';

/** A clip's score and how much it counts in the score of a set of clips (VBench averages some dimensions by frames). */
export interface DimensionValue {
  readonly score: number;
  readonly weight: number;
}

/** VBench decodes to floats before these dimensions resize, so nothing is rounded in between. */
function unrounded(transform: ImageTransform, size: number): ImageTransform {
  return { ...transform, size, rounding: 'none' };
}

/** Subject consistency by DINO's class tokens. Source: VBench vbench/subject_consistency.py. */
export async function subjectConsistency(clip: Clip, net: Part<DinoConfig>): Promise<DimensionValue> {
  const transform = unrounded(imageTransforms.vbenchDino, net.config.img_size);
  const features = await eachFrame(clip, (frames) => dinoFeatures(net, preprocess(frames, transform)));
  return ofPairs(features);
}

/** Background consistency by CLIP's image embeddings. Source: VBench vbench/background_consistency.py. */
export async function backgroundConsistency(clip: Clip, net: Part<ClipConfig>): Promise<DimensionValue> {
  const transform = unrounded(imageTransforms.vbenchClip, net.config.image_resolution);
  const features = await eachFrame(clip, (frames) => clipImageFeatures(net, preprocess(frames, transform)));
  return ofPairs(features);
}

function ofPairs(features: readonly Float32Array[]): DimensionValue {
  const { score, perFrame } = consistency(features);
  return { score, weight: perFrame.length };
}

/** Aesthetic quality: a tenth of LAION's score, mean over frames. Source: VBench vbench/aesthetic_quality.py. */
export async function aestheticQuality(
  clip: Clip,
  net: Part<ClipConfig>,
  head: Part<AestheticHeadConfig>,
): Promise<DimensionValue> {
  const transform = unrounded(imageTransforms.vbenchClip, net.config.image_resolution);
  const scores = await eachFrame(clip, (frames) => {
    return aestheticScore(head, clipImageFeatures(net, preprocess(frames, transform)));
  });
  return { score: mean(scores.map(([score]) => score! / 10)), weight: 1 };
}

/** How imaging quality shrinks large frames: by their longer side to 512 (VBench's default), by the shorter, or not. */
export type ImagingMode = 'longer' | 'shorter' | 'none';

/** Imaging quality: MUSIQ's score over 100, mean over frames. Source: VBench vbench/imaging_quality.py. */
export async function imagingQuality(
  clip: Clip,
  net: Part<MusiqConfig>,
  mode: ImagingMode = 'longer',
): Promise<DimensionValue> {
  const scores = await eachFrame(clip, (frames) => musiqScore(net, capped(frames, mode)), 2);
  return { score: mean(scores.map(([score]) => score! / 100)), weight: 1 };
}

const cap = 512;

/** Frames of at most 512 pixels on the side that counts, bilinear without antialiasing, rounded down. */
function capped(frames: Tensor, mode: ImagingMode): Tensor {
  const [, height, width] = frames.shape as [number, number, number];
  const side = mode === 'longer' ? Math.max(height, width) : Math.min(height, width);
  if (mode === 'none' || side <= cap) return frames;
  const plan = (from: number) => ({ from, to: Math.trunc((cap / side) * from) });
  return resample(frames, plan(height), plan(width), { kernel: 'bilinear', antialias: false });
}

/**
 * Appearance style: CLIP's logit of each frame with the words of the style, over 100. Frames are resized as PIL does,
 * unlike in the other dimensions. Source: VBench vbench/appearance_style.py.
 *
 * @param style - the style's phrase alone, for example "Van Gogh style"
 */
export async function appearanceStyle(
  clip: Clip,
  style: string,
  net: Part<ClipConfig>,
  tokenizer: ClipTokenizer,
): Promise<DimensionValue> {
  const transform = { ...imageTransforms.clipFile, size: net.config.image_resolution };
  const text = tf.tidy(() => {
    return clipTextFeatures(net, tokenizer.batch([style], net.config.context_length));
  });
  const logits = await eachFrame(clip, (frames) => {
    return clipLogits(net.weights, clipImageFeatures(net, preprocess(frames, transform)), text);
  });
  text.dispose();
  return { score: mean(logits.map(([logit]) => logit! / 100)), weight: clip.frames };
}

/**
 * Temporal style and overall consistency, which differ only in their prompts: the cosine of ViCLIP's features of eight
 * frames and of the whole prompt. Source: VBench vbench/temporal_style.py, vbench/overall_consistency.py.
 */
export async function videoTextConsistency(
  clip: Clip,
  prompt: string,
  net: Part<ViclipConfig>,
  tokenizer: ClipTokenizer,
): Promise<DimensionValue> {
  const transform = { ...imageTransforms.vbenchClip, size: net.config.inputs_image_res };
  const frames = middleFrames(clip.frames, net.config.video_input_num_frames);
  const cosine = tf.tidy(() => {
    const images = preprocess(tf.div(byteFrames(clip, frames), 255), transform);
    const video = viclipVideoFeatures(net, tf.expandDims(images, 0));
    const text = viclipTextFeatures(net, tokenizer.batch([prompt], net.config.max_txt_l));
    return tf.matMul(normalised(video) as Tensor2D, normalised(text) as Tensor2D, false, true);
  });
  const [score] = await cosine.data<'float32'>();
  cosine.dispose();
  return { score: score!, weight: 1 };
}
