/** Parity of the umT5 encoder with Wan2.1's and with transformers' names. */
import { beforeAll, expect, test } from 'vitest';
import { type Tensor, tf } from '../../src/engine/tf.ts';
import { type Umt5Config, umt5Encode, umt5OfficialName, umt5Shapes } from '../../src/model/text/index.ts';
import { relativeBucket } from '../../src/model/text/umt5.ts';
import { checkShapes, shapesOf, Weights } from '../../src/nn/index.ts';
import { expectParity, type FixtureTensors, fixture } from './fixtures.ts';

const files = fixture('umt5');
const config = files.config as unknown as Umt5Config;
const gradients = { atol: 1e-5, rtol: 1e-4 };
let weights: Weights;
let data: FixtureTensors;
let tokens: { ids: Tensor; mask: Tensor };

beforeAll(async () => {
  await tf.setBackend('cpu');
  const stored = await files.tensors('weights.safetensors');
  checkShapes(shapesOf(stored.all), umt5Shapes(config));
  weights = Weights.from(stored.all);
  data = await files.tensors();
  tokens = { ids: data.tensor('ids'), mask: data.tensor('mask') };
});

test('buckets of relative positions', () => {
  const [first, last] = [-300, 300];
  const buckets = Array.from({ length: last - first + 1 }, (_, i) => relativeBucket(first + i, config.num_buckets));
  expect(buckets).toEqual(data.list('bucket_table'));
});

test('output and inner values', async () => {
  const seen = new Map<string, Tensor>();
  const out = umt5Encode(weights, config, tokens, (name, y) => void seen.set(name, tf.keep(y.clone())));
  await expectParity('umt5 output', out, data.host('out'));
  await expectParity('umt5 position bias', seen.get('blocks.0.pos_embedding')!, data.host('mid.block0.pos_bias'));
  await expectParity('umt5 attention', seen.get('blocks.0.attn')!, data.host('mid.block0.attn.out'));
  await expectParity('umt5 feed-forward', seen.get('blocks.0.ffn')!, data.host('mid.block0.ffn.out'));
  for (let i = 0; i < config.num_layers; i++) {
    await expectParity(`umt5 block ${i}`, seen.get(`blocks.${i}`)!, data.host(`mid.block${i}.out`));
  }
});

test('gradients', async () => {
  const names = data.names('grad.w.').map((name) => name.slice('grad.w.'.length));
  const variables = names.map((name) => weights.get(name));
  const probe = data.tensor('probe');
  const scalar = () => tf.sum(tf.mul(umt5Encode(weights, config, tokens), probe)).asScalar();
  const { value, grads } = tf.variableGrads(scalar, variables);
  await expectParity('umt5 scalar', value, data.values('scalar'), { atol: 1e-3, rtol: 1e-4 });
  for (const [i, name] of names.entries()) {
    await expectParity('umt5 gradient', grads[variables[i]!.name]!, data.host(`grad.w.${name}`), gradients);
  }
});

test('weights under transformers names give the same output', async () => {
  const stored = await files.tensors('weights_hf.safetensors');
  const renamed = [...stored.all].map(([name, tensor]) => [umt5OfficialName(name), tensor] as const);
  const kept = renamed.filter((entry): entry is [string, (typeof entry)[1]] => entry[0] !== null);
  checkShapes(shapesOf(new Map(kept)), umt5Shapes(config));
  const other = Weights.from(kept);
  await expectParity('umt5 from transformers', umt5Encode(other, config, tokens), data.host('out_hf'));
  other.dispose();
});
