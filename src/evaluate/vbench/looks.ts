/** VBench's dimensions that look at frames: consistency, aesthetics, imaging quality, style and agreement with the prompt. */
import { type Tensor, type Tensor2D, tf } from '../../engine/tf.ts';
import {
  type ClipConfig,
  type ClipTokenizer,
  clipImageFeatures,
  clipLogits,
  clipTextFeatures,
  type DinoConfig,
  dinoFeatures,
  type ImageTransform,
  imageTransforms,
  type MusiqConfig,
  musiqScore,
  preprocess,
  resample,
  unitRows,
  type ViclipConfig,
  viclipTextFeatures,
  viclipVideoFeatures,
} from '../../model/internal.ts';
import type { Part } from '../../nn/index.ts';
import { type AestheticHeadConfig, aestheticScore } from '../../reward/internal.ts';
import { mean } from '../statistics.ts';
import { consistency } from './rules.ts';
import { byteFrames, eachFrame, type Measure, middleFrames } from './watch.ts';

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
export function subjectConsistency(net: Part<DinoConfig>): Measure<DimensionValue> {
  const transform = unrounded(imageTransforms.vbenchDino, net.config.img_size);
  return (video) => eachFrame(video, (frames) => dinoFeatures(net, preprocess(frames, transform)), ofPairs);
}

/** Background consistency by CLIP's image embeddings. Source: VBench vbench/background_consistency.py. */
export function backgroundConsistency(net: Part<ClipConfig>): Measure<DimensionValue> {
  const transform = unrounded(imageTransforms.vbenchClip, net.config.image_resolution);
  return (video) => eachFrame(video, (frames) => clipImageFeatures(net, preprocess(frames, transform)), ofPairs);
}

function ofPairs(features: readonly Float32Array[]): DimensionValue {
  const { score, perFrame } = consistency(features);
  return { score, weight: perFrame.length };
}

/** Aesthetic quality: a tenth of LAION's score, mean over frames. Source: VBench vbench/aesthetic_quality.py. */
export function aestheticQuality(net: Part<ClipConfig>, head: Part<AestheticHeadConfig>): Measure<DimensionValue> {
  const transform = unrounded(imageTransforms.vbenchClip, net.config.image_resolution);
  const score = (frames: Tensor): Tensor => aestheticScore(head, clipImageFeatures(net, preprocess(frames, transform)));
  return (video) => eachFrame(video, score, (rows) => ({ score: meanOf(rows, 10), weight: 1 }));
}

/** Imaging quality: MUSIQ's score over 100, mean over frames. Source: VBench vbench/imaging_quality.py. */
export function imagingQuality(net: Part<MusiqConfig>): Measure<DimensionValue> {
  const score = (frames: Tensor): Tensor => musiqScore(net, capped(frames));
  return (video) => eachFrame(video, score, (rows) => ({ score: meanOf(rows, 100), weight: 1 }), 2);
}

/** Mean over frames of single values, each divided by `scale`. */
function meanOf(rows: readonly Float32Array[], scale: number): number {
  return mean(rows.map(([value]) => value! / scale));
}

const cap = 512;

/** Frames of at most 512 pixels on the longer side (VBench's default), bilinear without antialiasing, rounded down. */
function capped(frames: Tensor): Tensor {
  const [, height, width] = frames.shape as [number, number, number];
  const side = Math.max(height, width);
  if (side <= cap) return frames;
  const plan = (from: number) => ({ from, to: Math.trunc((cap / side) * from) });
  return resample(frames, plan(height), plan(width), { kernel: 'bilinear', antialias: false });
}

/**
 * Appearance style: CLIP's logit of each frame with the words of the style, over 100. Frames are resized as PIL does,
 * unlike in the other dimensions. Source: VBench vbench/appearance_style.py.
 *
 * @param style - the style's phrase alone, for example "Van Gogh style"
 */
export function appearanceStyle(
  style: string,
  net: Part<ClipConfig>,
  tokenizer: ClipTokenizer,
): Measure<DimensionValue> {
  const { context_length, embed_dim, image_resolution } = net.config;
  const transform = { ...imageTransforms.clipFile, size: image_resolution };
  return (video) => {
    let text: Float32Array | null = null;
    const logits = (frames: Tensor): Tensor => {
      const features = clipImageFeatures(net, preprocess(frames, transform));
      return clipLogits(net.weights, features, tf.tensor2d(text!, [1, embed_dim]));
    };
    const watch = eachFrame(video, logits, (rows) => ({ score: meanOf(rows, 100), weight: rows.length }));
    const see = async (frame: Uint8Array): Promise<void> => {
      text ??= await valuesOf(() => clipTextFeatures(net, tokenizer.batch([style], context_length)));
      await watch.see(frame);
    };
    return { see, result: watch.result };
  };
}

async function valuesOf(compute: () => Tensor): Promise<Float32Array> {
  const tensor = tf.tidy(compute);
  const values = await tensor.data<'float32'>();
  tensor.dispose();
  return values;
}

/**
 * Temporal style and overall consistency, which differ only in their prompts: the cosine of ViCLIP's features of eight
 * frames and of the whole prompt. It has to know how many frames there will be.
 * Source: VBench vbench/temporal_style.py, vbench/overall_consistency.py.
 */
export function videoTextConsistency(
  prompt: string,
  net: Part<ViclipConfig>,
  tokenizer: ClipTokenizer,
): Measure<DimensionValue> {
  const { inputs_image_res, video_input_num_frames, max_txt_l } = net.config;
  const transform = { ...imageTransforms.vbenchClip, size: inputs_image_res };
  return (video) => {
    const wanted = middleFrames(video.frames ?? 0, video_input_num_frames);
    const kept = new Map<number, Uint8Array>();
    let index = 0;
    return {
      see: (frame) => {
        if (wanted.includes(index)) kept.set(index, frame);
        index++;
      },
      result: async () => {
        const [score] = await valuesOf(() => {
          const frames = byteFrames(
            wanted.map((frame) => kept.get(frame)!),
            video,
          );
          const images = preprocess(tf.div(frames, 255), transform);
          const seen = viclipVideoFeatures(net, tf.expandDims(images, 0));
          const text = viclipTextFeatures(net, tokenizer.batch([prompt], max_txt_l));
          return tf.matMul(unitRows(seen) as Tensor2D, unitRows(text) as Tensor2D, false, true);
        });
        return { score: score!, weight: 1 };
      },
    };
  };
}
