/** Parity of CLIP with OpenAI's and transformers' implementations, of the aesthetic head, and of VBench's transforms. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { use } from '../../src/engine/index.ts';
import { type Tensor, tf } from '../../src/engine/tf.ts';
import { clipOpenaiName } from '../../src/model/clip/weights.ts';
import {
  type ClipConfig,
  clip,
  clipImageFeatures,
  clipLogits,
  clipTextFeatures,
  type ImageTransform,
  imageTransforms,
  preprocess,
} from '../../src/model/internal.ts';
import { resizeFrames } from '../../src/model/preprocess/preprocess.ts';
import type { Net, Weights } from '../../src/nn/index.ts';
import { type AestheticHeadConfig, aestheticScore } from '../../src/reward/clip.ts';
import { loadAestheticHead } from '../../src/reward/index.ts';
import { expectParity, type FixtureTensors, fixture } from './fixtures.ts';

const files = fixture('clip-vit');
const config = files.config as unknown as ClipConfig;
let stored: FixtureTensors;
let data: FixtureTensors;

beforeAll(async () => {
  stored = await files.tensors('weights.safetensors');
  data = await files.tensors();
});

test('names of transformers are translated to those of OpenAI', () => {
  const names = files.json<Record<string, string | string[]>>('keymap_openai_to_hf.json');
  for (const [openai, hf] of Object.entries(names)) {
    for (const name of [hf].flat()) expect(clipOpenaiName(name)).toBe(openai);
  }
});

describe.each(['cpu', 'onnx'] as const)('%s', (engine) => {
  let weights: Weights;
  let head: Net<AestheticHeadConfig>;

  beforeAll(async () => {
    await use(engine);
    weights = (await clip.load(config, stored.all)).weights;
    head = await loadAestheticHead(['weight', 'bias'].map((name) => [name, data.host(`aesthetic.${name}`)] as const));
  });

  afterAll(() => {
    weights.dispose();
    head.dispose();
  });

  test('features, logits and inner values', async () => {
    const seen = new Map<string, Tensor>();
    const keep = { onValue: (name: string, y: Tensor) => void seen.set(name, tf.keep(y.clone())) };
    const image = clipImageFeatures({ weights, config }, images(data.tensor('image')), keep);
    const text = clipTextFeatures({ weights, config }, data.tensor('text'), keep);
    await expectParity(`clip image features, ${engine}`, image, data.host('image_features'));
    await expectParity(`clip text features, ${engine}`, text, data.host('text_features'));
    const logits = clipLogits(weights, image, text);
    await expectParity(`clip logits, ${engine}`, logits, data.host('logits_per_image'), { atol: 1e-3 });
    for (const key of data.names('mid.')) {
      const name = key.replace(/^mid\.(text\.)?/, '').replace(/resblock(\d+)\.out$/, 'transformer.resblocks.$1');
      await expectParity(`clip ${key}, ${engine}`, seen.get(name)!, data.host(key));
    }
    tf.dispose([...seen.values()]);
  });

  test('aesthetic score', async () => {
    const raw = aestheticScore(head, clipImageFeatures({ weights, config }, images(data.tensor('image'))));
    await expectParity(`clip aesthetic score, ${engine}`, raw, data.host('aesthetic.raw'));
    const video = tf.reshape(tf.mean(tf.div(raw, 10)), [1]);
    await expectParity(`clip aesthetic video score, ${engine}`, video, data.host('aesthetic.video_score'));
  });

  test('weights under transformers names, both towers or one', async () => {
    const { all } = await files.tensors('weights_hf.safetensors');
    const before = tf.memory().numTensors;
    const other = (await clip.load(config, all)).weights;
    expect(tf.memory().numTensors).toBe(before + stored.all.size);
    const image = clipImageFeatures({ weights: other, config }, images(data.tensor('image')));
    const text = clipTextFeatures({ weights: other, config }, data.tensor('text'));
    await expectParity(`clip image features from transformers, ${engine}`, image, data.host('hf.image_features'));
    await expectParity(`clip text features from transformers, ${engine}`, text, data.host('hf.text_features'));
    const logits = clipLogits(other, image, text);
    await expectParity(`clip logits from transformers, ${engine}`, logits, data.host('hf.logits_per_image'), {
      atol: 1e-3,
    });
    const vision = (await clip.load({ ...config, towers: 'vision' }, all)).weights;
    expect(vision.names().every((name) => name.startsWith('visual.'))).toBe(true);
    const alone = clipImageFeatures({ weights: vision, config }, images(data.tensor('image')));
    await expectParity(`clip image tower alone, ${engine}`, alone, data.host('hf.image_features'));
    other.dispose();
    vision.dispose();
  });

  test('gradients', async () => {
    const names = data.names('grad.w.').map((name) => name.slice('grad.w.'.length));
    const variables = names.map((name) => weights.variable(name));
    const total = (image: Tensor) => {
      const features = clipImageFeatures({ weights, config }, images(image));
      const probed = tf.sum(tf.mul(features, data.tensor('probe')));
      return tf.add(probed, tf.sum(aestheticScore(head, features))).asScalar();
    };
    const bounds = { atol: 1e-6, rtol: 1e-4 };
    const image = data.tensor('image');
    const { value, grad } = tf.valueAndGrad(total)(image);
    await expectParity(`clip scalar, ${engine}`, value, data.values('scalar'), { atol: 1e-3, rtol: 1e-4 });
    await expectParity(`clip gradient of image, ${engine}`, grad, data.host('grad.image'), bounds);
    const { grads } = tf.variableGrads(() => total(image), variables);
    for (const [i, name] of names.entries()) {
      const expected = data.host(`grad.w.${name}`);
      await expectParity(`clip gradient of weights, ${engine}`, grads[variables[i]!.name]!, expected, bounds);
    }
  });

  test.each([
    ['clip', imageTransforms.vbenchClip],
    ['dino', imageTransforms.vbenchDino],
  ])("VBench's %s transform", async (name, published) => {
    const expected = await files.tensors('vbench_preprocess.safetensors');
    const resizedKey = `${name}_resized_u8`;
    const [, , , width] = expected.shape(resizedKey) as [number, number, number, number];
    const transform: ImageTransform = { ...published, size: shorterSide(expected, resizedKey) };
    const frames = tf.div(images(tf.cast(expected.tensor('frames_u8'), 'float32')), 255);
    const bytes = tf.mul(resizeFrames(frames, { ...transform, crop: false }), 255);
    expect(bytes.shape[2]).toBe(width);
    await expectParity(`vbench ${name} bytes, ${engine}`, planes(bytes), expected.host(resizedKey), { atol: 1.01 });
    const grey = 1.01 / 255 / Math.min(...transform.std);
    const done = planes(preprocess(frames, transform));
    await expectParity(`vbench ${name} transform, ${engine}`, done, expected.host(`${name}_transform`), { atol: grey });
  });
});

function shorterSide(tensors: FixtureTensors, name: string): number {
  return Math.min(...tensors.shape(name).slice(2));
}

/** [B, C, H, W] -> [B, H, W, C] */
function images(x: Tensor): Tensor {
  return tf.transpose(x, [0, 2, 3, 1]);
}

/** [B, H, W, C] -> [B, C, H, W] */
function planes(x: Tensor): Tensor {
  return tf.transpose(x, [0, 3, 1, 2]);
}
