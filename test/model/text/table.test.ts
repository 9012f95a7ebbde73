/** The small scale's text encoder: one fixed row per word, zero rows for padding. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { use } from '../../../src/engine/index.ts';
import { tf } from '../../../src/engine/tf.ts';
import { type TableTextEncoder, tableTextEncoder } from '../../../src/model/internal.ts';
import { random } from '../../../src/nn/index.ts';

const vocabulary = ['[PAD]', 'a', 'red', 'blue', 'digit'];
const make = (seed = 1) => tableTextEncoder({ vocabulary, textDim: 6, textLen: 4, key: random.key(seed) });
let text: TableTextEncoder;

beforeAll(async () => {
  await use('cpu');
  text = make();
});

afterAll(() => text.weights.dispose());

test('a caption becomes the rows of its words, then zeros', () => {
  const context = text.encode(['a  red digit', 'Blue']);
  expect(context.shape).toEqual([2, 4, 6]);
  const table = text.weights.get('token_embedding.weight').arraySync() as number[][];
  const rows = context.arraySync() as number[][][];
  const zeros = new Array(6).fill(0);
  expect(rows[0]).toEqual([table[1], table[2], table[4], zeros]);
  expect(rows[1]).toEqual([table[3], zeros, zeros, zeros]);
});

test('no caption is zero rows', () => {
  expect(text.encode(['', '']).dataSync()).toEqual(new Float32Array(2 * 4 * 6));
  expect(text.encode(['', '']).shape).toEqual([2, 4, 6]);
});

test('the table follows from the key and is not trained', () => {
  const table = (encoder: TableTextEncoder) => encoder.weights.get('token_embedding.weight').dataSync();
  expect(table(make(1))).toEqual(table(text));
  expect(table(make(2))).not.toEqual(table(text));
  expect(text.weights.trainable()).toEqual([]);
});

test('encoding leaves one tensor', () => {
  const before = tf.memory().numTensors;
  text.encode(['a blue digit']);
  expect(tf.memory().numTensors).toBe(before + 1);
});

test('mistakes are explained', () => {
  expect(() => text.encode(['a green digit'])).toThrow(/"green" in caption "a green digit" is not in the vocabulary/);
  expect(() => text.encode(['a a a a a'])).toThrow(/5 words, textLen is 4: raise textLen/);
  expect(() => tableTextEncoder({ vocabulary: ['a', 'a'], textDim: 2, textLen: 2, key: random.key(0) })).toThrow(
    /twice/,
  );
});
