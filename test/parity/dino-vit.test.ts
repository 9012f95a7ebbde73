/** Parity of DINO's features with the original, on square and on wide images, and of VBench's subject consistency. */
import { afterAll, beforeAll, describe, test } from 'vitest';
import { use } from '../../src/engine/index.ts';
import { type Tensor, tf } from '../../src/engine/tf.ts';
import { consistency } from '../../src/evaluate/vbench/rules.ts';
import { dinoPositions, dinoTokens } from '../../src/model/dino/dino.ts';
import { type DinoConfig, dino, dinoFeatures } from '../../src/model/internal.ts';
import type { Weights } from '../../src/nn/index.ts';
import { expectParity, type FixtureTensors, fixture } from './fixtures.ts';

const files = fixture('dino-vit');
const config = files.config as unknown as DinoConfig;
let stored: FixtureTensors;
let data: FixtureTensors;

beforeAll(async () => {
  stored = await files.tensors('weights.safetensors');
  data = await files.tensors();
});

describe.each(['cpu', 'onnx'] as const)('%s', (engine) => {
  let weights: Weights;

  beforeAll(async () => {
    await use(engine);
    weights = (await dino.load(config, stored.all)).weights;
  });

  afterAll(() => weights.dispose());

  test('features and inner values', async () => {
    const seen = new Map<string, Tensor>();
    const image = images(data.tensor('image'));
    const tokens = dinoTokens({ weights, config }, image, {
      onValue: (name, y) => void seen.set(name, tf.keep(y.clone())),
    });
    await expectParity(`dino tokens, ${engine}`, tokens, data.host('mid.norm_all_tokens'));
    await expectParity(`dino features, ${engine}`, dinoFeatures({ weights, config }, image), data.host('features'));
    for (let i = 0; i < config.depth; i++) {
      await expectParity(`dino block ${i}, ${engine}`, seen.get(`blocks.${i}`)!, data.host(`mid.block${i}.out`));
    }
    tf.dispose([...seen.values()]);
  });

  test('subject consistency', async () => {
    const features = dinoFeatures({ weights, config }, images(data.tensor('image')));
    const { score, perFrame } = consistency((await features.array()) as number[][]);
    await expectParity(`dino consistency per frame, ${engine}`, perFrame, data.list('subject_consistency.per_frame'));
    await expectParity(`dino consistency, ${engine}`, [score], data.list('subject_consistency.video'));
  });

  test('wide images interpolate the position table', async () => {
    const image = images(data.tensor('wide.image'));
    const [, height, width] = image.shape as [number, number, number];
    const positions = dinoPositions(weights.get('pos_embed'), config, height, width);
    await expectParity(`dino wide positions, ${engine}`, positions, data.host('wide.pos_embed'));
    await expectParity(
      `dino wide features, ${engine}`,
      dinoFeatures({ weights, config }, image),
      data.host('wide.features'),
    );
  });

  test('gradients', async () => {
    const names = data.names('grad.w.').map((name) => name.slice('grad.w.'.length));
    const variables = names.map((name) => weights.variable(name));
    const total = (image: Tensor) =>
      tf.sum(tf.mul(dinoFeatures({ weights, config }, images(image)), data.tensor('probe'))).asScalar();
    const bounds = { atol: 1e-6, rtol: 1e-4 };
    const { value, grad } = tf.valueAndGrad(total)(data.tensor('image'));
    await expectParity(`dino scalar, ${engine}`, value, data.values('scalar'), { atol: 1e-3, rtol: 1e-4 });
    await expectParity(`dino gradient of image, ${engine}`, grad, data.host('grad.image'), bounds);
    const { grads } = tf.variableGrads(() => total(data.tensor('image')), variables);
    for (const [i, name] of names.entries()) {
      const expected = data.host(`grad.w.${name}`);
      await expectParity(`dino gradient of weights, ${engine}`, grads[variables[i]!.name]!, expected, bounds);
    }
  });
});

/** [B, C, H, W] -> [B, H, W, C] */
function images(x: Tensor): Tensor {
  return tf.transpose(x, [0, 2, 3, 1]);
}
