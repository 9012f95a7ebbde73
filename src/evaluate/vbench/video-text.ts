import { type Tensor2D, tf } from '../../engine/tf.ts';
import type { Clip } from '../../io/index.ts';
import { type ClipTokenizer, normalised } from '../../model/clip/index.ts';
import { imageTransforms, preprocess } from '../../model/preprocess/index.ts';
import { type ViclipConfig, viclipTextFeatures, viclipVideoFeatures } from '../../model/viclip/index.ts';
import type { Part } from '../../nn/index.ts';
import { byteFrames, middleFrames } from './frames.ts';
import type { DimensionValue } from './looks.ts';

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
