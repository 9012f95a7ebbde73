import { beforeAll, expect, test } from 'vitest';
import * as engine from '../../src/engine/index.ts';
import { tf } from '../../src/engine/tf.ts';
import { hostTensor } from '../../src/io/index.ts';
import { parameterCount, Weights } from '../../src/nn/index.ts';
import { checkShapes } from '../../src/nn/internal.ts';

const host = (shape: number[], ...values: number[]) => hostTensor('float32', shape, new Float32Array(values));

beforeAll(() => engine.use('cpu'));

function example(): Weights {
  return Weights.from([
    ['blocks.0.q.weight', host([2, 1], 1, 2)],
    ['blocks.0.q.bias', host([2], 3, 4)],
    ['blocks.1.q.bias', host([1], 5)],
  ]);
}

test('a view reads and lists the weights below its prefix', () => {
  const weights = example();
  const block = weights.at('blocks').at('0');
  expect(block.names()).toEqual(['q.weight', 'q.bias']);
  expect(block.get('q.bias')).toBe(weights.get('blocks.0.q.bias'));
  expect(block.has('q.bias')).toBe(true);
  expect(block.has('k.bias')).toBe(false);
  expect(parameterCount(weights.shapes())).toBe(5);
  weights.dispose();
});

test('a missing weight is named in full, with its neighbours', () => {
  const weights = example();
  expect(() => weights.at('blocks.0').get('q.scale')).toThrow('"blocks.0.q.scale"; there are blocks.0.q.weight');
  expect(() => weights.at('blocks.7').get('q.bias')).toThrow('none below "blocks.7.q."');
  weights.dispose();
});

test('weights own their memory and no more', () => {
  const before = tf.memory().numTensors;
  const source = tf.tensor1d([1, 2]);
  const weights = Weights.from([
    ['given', source],
    ['read', hostTensor('bfloat16', [1], new Uint16Array([0x3f80]))],
  ]);
  const copy = weights.clone();
  expect(tf.memory().numTensors).toBe(before + 5);
  weights.dispose();
  expect(Array.from(source.dataSync())).toEqual([1, 2]);
  expect(Array.from(copy.get('read').dataSync())).toEqual([1]);
  copy.dispose();
  source.dispose();
  expect(tf.memory().numTensors).toBe(before);
});

test('weights made inside a tidy scope outlive it', () => {
  let weights = Weights.from([]);
  tf.tidy(() => {
    weights = Weights.from([['a', tf.ones([2])]]);
  });
  expect(Array.from(weights.get('a').dataSync())).toEqual([1, 1]);
  weights.dispose();
});

test('a clone changes on its own', () => {
  const weights = example();
  const copy = weights.clone({ trainable: false });
  copy.variable('blocks.1.q.bias').assign(tf.tensor1d([9]));
  expect(Array.from(weights.get('blocks.1.q.bias').dataSync())).toEqual([5]);
  expect(copy.trainable()).toEqual([]);
  expect(weights.trainable()).toHaveLength(3);
  weights.dispose();
  copy.dispose();
});

test('values go to the host and back', async () => {
  const weights = example();
  const saved = await weights.toHost();
  const other = example();
  for (const variable of other.trainable()) variable.assign(tf.zerosLike(variable));
  other.load(saved);
  expect(await other.toHost()).toEqual(saved);
  weights.dispose();
  other.dispose();
});

test('loading names what does not fit and changes nothing', async () => {
  const weights = example();
  const wrong = new Map([
    ['blocks.0.q.weight', host([1, 2], 8, 8)],
    ['blocks.0.q.bias', host([2], 8, 8)],
    ['extra', host([], 8)],
  ]);
  expect(() => weights.load(wrong)).toThrow(
    '1 missing: blocks.1.q.bias; 1 surplus: extra; 1 misshapen: blocks.0.q.weight (received [1,2], wanted [2,1])',
  );
  expect(Array.from(await weights.get('blocks.0.q.bias').data())).toEqual([3, 4]);
  weights.dispose();
});

test('a name given twice is refused', () => {
  const twice = [
    ['a', host([], 1)],
    ['a', host([], 2)],
  ] as const;
  const before = tf.memory().numTensors;
  expect(() => Weights.from(twice)).toThrow('"a" is given twice');
  expect(tf.memory().numTensors).toBe(before);
});

test('a long list of differences is cut short', () => {
  const wanted = new Map(Array.from({ length: 30 }, (_, i) => [`w${i}`, [1]]));
  expect(() => checkShapes(new Map(), wanted)).toThrow(
    '30 missing: w0, w1, w2, w3, w4, w5, w6, w7, w8, w9 and 20 more',
  );
});

test('gradients come back under the names of the variables', () => {
  const weights = example();
  const { grads } = tf.variableGrads(() => tf.sum(tf.square(weights.get('blocks.0.q.bias'))), [
    weights.get('blocks.0.q.bias'),
  ] as never);
  expect(Array.from(grads[weights.variable('blocks.0.q.bias').name]!.dataSync())).toEqual([6, 8]);
  weights.dispose();
});

test('entries may come one after the other; a source that fails leaves nothing', async () => {
  async function* arriving(fails: boolean) {
    yield ['a', host([1], 1)] as const;
    if (fails) throw new Error('cut off');
    yield ['b', host([1], 2)] as const;
  }
  const before = tf.memory().numTensors;
  const weights = await Weights.stream(arriving(false));
  expect(weights.names()).toEqual(['a', 'b']);
  weights.dispose();
  await expect(Weights.stream(arriving(true))).rejects.toThrow('cut off');
  expect(tf.memory().numTensors).toBe(before);
});
