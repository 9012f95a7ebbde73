/**
 * No parity fixture of ViCLIP exists; the expected numbers are those of the original's own modules (viclip_vision.py and
 * viclip_text.py as VBench carries them) with the hashed weights of ../hashed-weights.ts.
 */
import { beforeAll, describe, expect, test } from 'vitest';
import { use } from '../../../src/engine/index.ts';
import { tf } from '../../../src/engine/tf.ts';
import {
  type ViclipConfig,
  viclipPresets,
  viclipTextFeatures,
  viclipVideoFeatures,
} from '../../../src/model/internal.ts';
import { viclipShapes } from '../../../src/model/viclip/viclip.ts';
import { parameterCount } from '../../../src/nn/index.ts';
import { hashed } from '../hashed.ts';
import { hashedWeights } from '../hashed-weights.ts';

const small: ViclipConfig = {
  embed_dim: 20,
  inputs_image_res: 28,
  video_input_num_frames: 4,
  patch_size: 14,
  vision_width: 32,
  vision_layers: 2,
  vision_heads: 4,
  max_txt_l: 9,
  vocab_size: 50,
  text_width: 24,
  text_layers: 2,
  text_heads: 3,
};

test('the published model holds the tensors of two CLIP towers, times of frames and a temperature', () => {
  const shapes = viclipShapes(viclipPresets.l14);
  expect(shapes.get('vision_encoder.conv1.weight')).toEqual([1024, 3, 1, 14, 14]);
  expect(shapes.get('text_encoder.positional_embedding')).toEqual([32, 768]);
  expect(parameterCount(shapes)).toBe(427_590_145);
});

describe.each(['onnx', 'cpu'] as const)('%s', (engine) => {
  beforeAll(() => use(engine));

  test('features are those of the original', async () => {
    const weights = hashedWeights(viclipShapes(small));
    const video = tf.tensor5d(hashed('video', [2, 4, 28, 28, 3]), [2, 4, 28, 28, 3]);
    const seen = (await viclipVideoFeatures({ weights, config: small }, video).data()).filter((_, i) => i % 5 === 0);
    const expected = [0.80148, 1.22368, -0.5748, -0.03705, 1.36168, 1.51292, -0.64101, -0.34366];
    expect(seen).toBeAllClose(expected, { atol: 2e-5 });
    const ids = [48, 3, 4, 5, 49, 0, 0, 0, 0, 48, 7, 9, 11, 13, 15, 17, 19, 49];
    const read = await viclipTextFeatures({ weights, config: small }, tf.tensor2d(ids, [2, 9], 'int32')).data();
    const wanted = [-0.70742, -0.99917, -0.26062, 0.13201, 0.29184, 0.09537, -1.00698, 0.34579];
    expect(read.filter((_, i) => i % 5 === 0)).toBeAllClose(wanted, { atol: 2e-5 });
    weights.dispose();
  });
});

test('refuses videos of other sizes', () => {
  const weights = hashedWeights(viclipShapes(small));
  expect(() => viclipVideoFeatures({ weights, config: small }, tf.zeros([1, 8, 28, 28, 3]))).toThrow(
    /wanted \[B, 4, 28, 28, 3\]/,
  );
});
