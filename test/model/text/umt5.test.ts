/** The umT5 encoder on repeatable weights, and what padding must not do. */
import { expect, test } from 'vitest';
import { use } from '../../../src/engine/index.ts';
import { tf } from '../../../src/engine/tf.ts';
import { type Umt5Config, umt5Shapes } from '../../../src/model/internal.ts';
import { relativeBucket, umt5Encode, umt5Presets } from '../../../src/model/text/umt5.ts';
import { parameterCount, Weights } from '../../../src/nn/index.ts';
import { hashedWeight } from '../hashed.ts';

await use('cpu');

const config: Umt5Config = {
  vocab: 32,
  dim: 16,
  dim_attn: 16,
  dim_ffn: 32,
  num_heads: 4,
  num_layers: 2,
  num_buckets: 32,
};
const weights = Weights.from(
  [...umt5Shapes(config)].map(([name, shape]) => [name, tf.tensor(hashedWeight(name, shape), [...shape])]),
);

function encode(ids: number[], length: number) {
  const row = Int32Array.from({ length }, (_, i) => ids[i] ?? 0);
  const mask = Int32Array.from({ length }, (_, i) => (i < ids.length ? 1 : 0));
  const [a, b] = [row, mask].map((data) => tf.tensor2d(data, [1, length], 'int32'));
  return umt5Encode({ weights, config }, { ids: a!, mask: b! }).slice([0, 0], [1, ids.length]);
}

test('a network of hashed weights gives the reference values', () => {
  const rows = encode([5, 17, 9, 1], 12);
  const values = rows.dataSync();
  expect(values.slice(0, 4)).toBeAllClose([1.3976, -1.67956, 1.17878, 0.490853], { atol: 1e-5 });
  expect(values.at(-1)).toBeCloseTo(-0.83697, 5);
  expect(rows.mean().dataSync()[0]).toBeCloseTo(-0.243762, 5);
  expect(rows.abs().mean().dataSync()[0]).toBeCloseTo(0.836844, 5);
});

test('padding changes nothing', () => {
  expect(encode([5, 17, 9, 1], 12).dataSync()).toBeAllClose(encode([5, 17, 9, 1], 4).dataSync(), { atol: 1e-5 });
});

test('a later token is seen, and its place matters', () => {
  const [a, b] = [encode([5, 17, 9, 1], 4), encode([5, 9, 17, 1], 4)].map((rows) => rows.dataSync().slice(0, 16));
  expect(a).not.toBeAllClose(b!, { atol: 1e-3 });
});

test('buckets at the edges', () => {
  const distances = [-511, -91, -90, -64, -63, -12, -8, -1, 0, 1, 8, 12, 91];
  const wanted = [15, 15, 14, 14, 13, 9, 8, 1, 0, 17, 24, 25, 31];
  expect(distances.map((distance) => relativeBucket(distance, 32))).toEqual(wanted);
});

test('the published encoder has 242 tensors', () => {
  const shapes = umt5Shapes(umt5Presets['umt5-xxl']);
  expect([shapes.size, parameterCount(shapes)]).toEqual([242, 5_680_910_336]);
});

test('mistakes are explained', () => {
  const ids = tf.zeros([1, 4], 'int32');
  expect(() => umt5Encode({ weights, config }, { ids, mask: tf.zeros([1, 3], 'int32') })).toThrow(
    /mask has shape \[1,3\]/,
  );
});
