import { beforeAll, describe, expect, test } from 'vitest';
import { use } from '../../src/engine/index.ts';
import { tf } from '../../src/engine/tf.ts';
import { random, toTensor, Weights } from '../../src/nn/index.ts';
import { Learner } from '../../src/train/index.ts';
import { isHidden, orthogonalise } from '../../src/train/optimiser/muon.ts';

beforeAll(async () => {
  await use('onnx');
});

describe('muon', () => {
  test.each([
    [6, 6],
    [4, 16],
    [16, 4],
  ])('the direction of a [%i, %i] matrix is nearly orthogonal', async (rows, columns) => {
    const x = toTensor(random.key('muon').normal([rows, columns]));
    const y = orthogonalise(x);
    const square = rows <= columns ? tf.matMul(y, y, false, true) : tf.matMul(y, y, true, false);
    const side = Math.min(rows, columns);
    const values = await square.data<'float32'>();
    for (let i = 0; i < side; i++) {
      expect(values[i * side + i]).toBeGreaterThan(0.4);
      expect(values[i * side + i]).toBeLessThan(1.5);
      for (let j = 0; j < i; j++) expect(Math.abs(values[i * side + j] ?? 1)).toBeLessThan(0.35);
    }
  });

  test('takes hidden matrices only', () => {
    expect(isHidden('blocks.0.ffn.0.weight', tf.zeros([8, 4]))).toBe(true);
    expect(isHidden('decoder.conv1.weight', tf.zeros([8, 4, 3, 3, 3]))).toBe(true);
    expect(isHidden('blocks.0.ffn.0.bias', tf.zeros([8]))).toBe(false);
    expect(isHidden('blocks.0.modulation', tf.zeros([1, 6, 8]))).toBe(false);
    expect(isHidden('patch_embedding.weight', tf.zeros([8, 4]))).toBe(false);
  });

  test('learns a linear map, hidden matrix by Muon and the rest by AdamW', async () => {
    const key = random.key(3);
    const weights = Weights.from([
      ['blocks.0.weight', key.stream('w').normal([8, 8], 0, 0.3)],
      ['head.bias', key.stream('b').normal([8])],
    ]);
    const [x, target] = [toTensor(key.stream('x').normal([64, 8])), toTensor(key.stream('t').normal([8, 8]))];
    const learner = new Learner('toy', weights, { lr: 0.1, weightDecay: 0, muon: {} });
    const loss = () =>
      tf.tidy(() => {
        const error = tf.sub(
          tf.add(tf.matMul(x, weights.get('blocks.0.weight')), weights.get('head.bias')),
          tf.matMul(x, target),
        );
        return tf.mean(tf.square(error)) as ReturnType<typeof tf.scalar>;
      });
    const before = (await loss().data())[0] as number;
    for (let step = 0; step < 100; step++) {
      tf.tidy(() => {
        const { grads } = tf.variableGrads(loss, weights.trainable());
        const byName = new Map(weights.entries().map(([name, variable]) => [name, grads[variable.name] as never]));
        learner.apply(byName, tf.tensor1d(learner.next()));
      });
    }
    expect((await loss().data())[0]).toBeLessThan(0.05 * before);
  });
});
