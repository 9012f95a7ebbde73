/** Parity of the umT5 encoder with Wan2.1's and with transformers' names. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { use } from '../../src/engine/index.ts';
import { type Tensor, tf } from '../../src/engine/tf.ts';
import { openSafetensors } from '../../src/io/index.ts';
import { type Umt5Config, umt5Shapes } from '../../src/model/internal.ts';
import { relativeBucket, umt5, umt5Encode } from '../../src/model/text/umt5.ts';
import { umt5EncodeFrom } from '../../src/model/text/umt5-file.ts';
import { Weights } from '../../src/nn/index.ts';
import { checkShapes, shapesOf } from '../../src/nn/internal.ts';
import { expectParity, type FixtureTensors, fixture } from './fixtures.ts';

const files = fixture('umt5');
const config = files.config as unknown as Umt5Config;
const gradients = { atol: 1e-5, rtol: 1e-4 };
let stored: FixtureTensors;
let data: FixtureTensors;

beforeAll(async () => {
  stored = await files.tensors('weights.safetensors');
  data = await files.tensors();
});

test('names and shapes are those of the checkpoint', () => {
  expect(() => checkShapes(shapesOf(stored.all), umt5Shapes(config))).not.toThrow();
});

test('buckets of relative positions', () => {
  const [first, last] = [-300, 300];
  const buckets = Array.from({ length: last - first + 1 }, (_, i) => relativeBucket(first + i, config.num_buckets));
  expect(buckets).toEqual(data.list('bucket_table'));
});

describe.each(['cpu', 'onnx'] as const)('%s', (engine) => {
  let weights: Weights;
  let tokens: { ids: Tensor; mask: Tensor };

  beforeAll(async () => {
    await use(engine);
    weights = Weights.from(stored.all);
    tokens = { ids: data.tensor('ids'), mask: data.tensor('mask') };
  });

  afterAll(() => weights.dispose());

  test('output and inner values', async () => {
    const seen = new Map<string, Tensor>();
    const out = umt5Encode({ weights, config }, tokens, {
      onValue: (name, y) => void seen.set(name, tf.keep(y.clone())),
    });
    await expectParity(`umt5 output, ${engine}`, out, data.host('out'));
    const zeroed = tf.mul(out, tf.expandDims(tf.cast(tokens.mask, 'float32'), 2));
    await expectParity(`umt5 zeroed padding, ${engine}`, zeroed, data.host('out_zeroed_padding'));
    await expectParity(
      `umt5 position bias, ${engine}`,
      seen.get('blocks.0.pos_embedding')!,
      data.host('mid.block0.pos_bias'),
    );
    await expectParity(`umt5 attention, ${engine}`, seen.get('blocks.0.attn')!, data.host('mid.block0.attn.out'));
    await expectParity(`umt5 feed-forward, ${engine}`, seen.get('blocks.0.ffn')!, data.host('mid.block0.ffn.out'));
    for (let i = 0; i < config.num_layers; i++) {
      await expectParity(`umt5 block ${i}, ${engine}`, seen.get(`blocks.${i}`)!, data.host(`mid.block${i}.out`));
    }
  });

  test('gradients', async () => {
    const names = data.names('grad.w.').map((name) => name.slice('grad.w.'.length));
    const variables = names.map((name) => weights.variable(name));
    const probe = data.tensor('probe');
    const scalar = () => tf.sum(tf.mul(umt5Encode({ weights, config }, tokens), probe)).asScalar();
    const { value, grads } = tf.variableGrads(scalar, variables);
    await expectParity(`umt5 scalar, ${engine}`, value, data.values('scalar'), { atol: 1e-3, rtol: 1e-4 });
    for (const [i, name] of names.entries()) {
      await expectParity(
        `umt5 gradient, ${engine}`,
        grads[variables[i]!.name]!,
        data.host(`grad.w.${name}`),
        gradients,
      );
    }
  });

  test('weights under transformers names give the same output', async () => {
    const stored = await files.tensors('weights_hf.safetensors');
    const other = (await umt5.load(config, stored.all)).weights;
    await expectParity(
      `umt5 from transformers, ${engine}`,
      umt5Encode({ weights: other, config }, tokens),
      data.host('out_hf'),
    );
    other.dispose();
  });

  test('weights read block by block from a file give the same output', async () => {
    const file = await openSafetensors(files.path('weights.safetensors'));
    const before = tf.memory().numTensors;
    const out = await umt5EncodeFrom(file, config, tokens);
    expect(tf.memory().numTensors).toBe(before + 1);
    await expectParity(`umt5 from a file, ${engine}`, out, data.host('out'));
  });
});
