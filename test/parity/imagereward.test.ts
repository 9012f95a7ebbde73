/** Parity of ImageReward with the original: tokens, preprocessing, towers, score, gradients. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { use } from '../../src/engine/index.ts';
import { type Tensor, tf } from '../../src/engine/tf.ts';
import { readImage } from '../../src/io/index.ts';
import {
  type ImageRewardConfig,
  imageReward,
  imageRewardForward,
  imageTransforms,
  openWordPiece,
  preprocess,
} from '../../src/model/internal.ts';
import { resizeFrames } from '../../src/model/preprocess/preprocess.ts';
import type { Weights } from '../../src/nn/index.ts';
import { expectParity, type FixtureTensors, fixture } from './fixtures.ts';

interface TokenizerCase {
  text: string;
  ids: number[];
  ids_padded: number[];
  mask: number[];
}

const files = fixture('imagereward');
const config = files.config as unknown as ImageRewardConfig;
const { cases, max_length } = files.json<{ cases: TokenizerCase[]; max_length: number }>('tokenizer_cases.json');
let stored: FixtureTensors;
let data: FixtureTensors;

beforeAll(async () => {
  stored = await files.tensors('weights.safetensors');
  data = await files.tensors();
});

test.each(['tokenizer.json', 'vocab.txt'])('token ids from %s', async (file) => {
  await use('cpu');
  const tokenizer = await openWordPiece(files.path(file));
  for (const { text, ids } of cases) expect(tokenizer.encode(text), text).toEqual(ids);
  const { ids, mask } = tokenizer.batch(
    cases.map(({ text }) => text),
    max_length,
  );
  expect(ids.arraySync()).toEqual(cases.map((entry) => entry.ids_padded));
  expect(mask.arraySync()).toEqual(cases.map((entry) => entry.mask));
});

describe.each(['cpu', 'onnx'] as const)('%s', (engine) => {
  let weights: Weights;

  beforeAll(async () => {
    await use(engine);
    weights = (await imageReward.load(config, stored.all)).weights;
  });

  afterAll(() => weights.dispose());

  test('preprocessing of an image file', async () => {
    const expected = await files.tensors('preprocess.safetensors');
    const { data: pixels, height, width } = await readImage(files.path('image.png'));
    const frames = tf.tensor4d(
      Float32Array.from(pixels, (byte) => byte / 255),
      [1, height, width, 3],
    );
    const bytes = tf.squeeze(tf.mul(resizeFrames(frames, imageTransforms.clipFile), 255), [0]);
    const name = `imagereward resized bytes, ${engine}`;
    await expectParity(name, bytes, expected.host('resized_center_cropped_uint8_hwc'), { atol: 1.01 });
    const grey = 1.01 / 255 / Math.min(...imageTransforms.clipFile.std);
    const normalised = tf.transpose(tf.squeeze(preprocess(frames, imageTransforms.clipFile), [0]), [2, 0, 1]);
    await expectParity(`imagereward preprocessed, ${engine}`, normalised, expected.host('preprocessed_224'), {
      atol: grey,
    });
  });

  test('reward and inner values', async () => {
    const seen = new Map<string, Tensor>();
    const raw = imageRewardForward({ weights, config }, images(data.tensor('image')), tokens(data), {
      onValue: (name, y) => void seen.set(name, tf.keep(y.clone())),
    });
    const reward = tf.div(tf.sub(raw, config.reward_mean), config.reward_std);
    await expectParity(`imagereward raw score, ${engine}`, tf.expandDims(raw, 1), data.host('mlp_raw'));
    await expectParity(`imagereward reward, ${engine}`, tf.expandDims(reward, 1), data.host('reward'));
    for (const [name, key] of innerNames(data)) {
      await expectParity(`imagereward ${key}, ${engine}`, seen.get(name)!, data.host(key));
    }
    tf.dispose([...seen.values()]);
  });

  test('gradients of the sum of rewards', async () => {
    const names = data.names('grad.w.').map((name) => name.slice('grad.w.'.length));
    const variables = names.map((name) => weights.variable(name));
    const total = (image: Tensor) => {
      const raw = imageRewardForward({ weights, config }, images(image), tokens(data));
      return tf.sum(tf.div(tf.sub(raw, config.reward_mean), config.reward_std)).asScalar();
    };
    const bounds = { atol: 1e-6, rtol: 1e-4 };
    const image = data.tensor('image');
    await expectParity(
      `imagereward gradient of image, ${engine}`,
      tf.grad(total)(image),
      data.host('grad.image'),
      bounds,
    );
    const { grads } = tf.variableGrads(() => total(image), variables);
    for (const [i, name] of names.entries()) {
      const expected = data.host(`grad.w.${name}`);
      await expectParity(`imagereward gradient of weights, ${engine}`, grads[variables[i]!.name]!, expected, bounds);
    }
  });
});

/** [B, 3, H, W] -> [B, H, W, 3] */
function images(x: Tensor): Tensor {
  return tf.transpose(x, [0, 2, 3, 1]);
}

function tokens(data: FixtureTensors): { ids: Tensor; mask: Tensor } {
  return { ids: data.tensor('prompt_ids'), mask: data.tensor('prompt_attention_mask') };
}

/** Names of modules with the fixture's names of their outputs. */
function innerNames(data: FixtureTensors): [string, string][] {
  const moduleOf = (key: string): string =>
    key
      .replace(/^mid\.vit\.block(\d+)\.out$/, 'blip.visual_encoder.blocks.$1')
      .replace(/^mid\.bert\.embeddings$/, 'blip.text_encoder.embeddings')
      .replace(/^mid\.bert\.layer(\d+)\.out$/, 'blip.text_encoder.encoder.layer.$1')
      .replace(/^mid\.bert\.layer(\d+)\.(\w+)$/, 'blip.text_encoder.encoder.layer.$1.$2');
  return [
    ['blip.visual_encoder', 'image_embeds'],
    ['blip.text_encoder', 'last_hidden_state'],
    ...data.names('mid.').map((key): [string, string] => [moduleOf(key), key]),
  ];
}
