import { describe, expect, test } from 'vitest';
import { use } from '../../src/engine/index.ts';
import { type Tensor, tf } from '../../src/engine/tf.ts';
import { wanForward } from '../../src/model/internal.ts';
import { type Key, random } from '../../src/nn/index.ts';
import { addNoise } from '../../src/sampler/index.ts';
import { type Gradients, Learner, makeUpdate, type UpdateOptions } from '../../src/train/index.ts';
import { settleTraining } from '../../src/train/internal.ts';
import { flowMatchingLoss, spread } from '../../src/train/losses.ts';
import { latents, text, valuesOf, wanNet } from './small.ts';

/** A flow-matching run with a rate that changes at every step. */
async function trained(options: UpdateOptions) {
  const net = wanNet();
  const average = { net: net.clone({ trainable: false }), decay: 0.5, start: 1 };
  const schedule = { lr: 1e-2, warmup: 4, decay: { kind: 'cosine', from: 4, to: 8 } } as const;
  const learner = new Learner('teacher', net, settleTraining(net, { lr: schedule, clip: 0.5, average }));
  const objective = (x0: Tensor, noise: Tensor, sigma: Tensor, context: Tensor) => {
    const x = addNoise(x0, noise, spread(sigma, x0));
    return { loss: flowMatchingLoss(wanForward(net, { x, t: tf.mul(sigma, 1000), context }), x0, noise) };
  };
  const update = makeUpdate(learner, objective, options);
  const losses: number[] = [];
  for (let step = 1; step <= 8; step++) losses.push((await update(...(await batch(random.key(step))))).loss);
  return { losses, values: await valuesOf([net.weights, average.net.weights]), status: update.status() };
}

async function batch(key: Key): Promise<[Tensor, Tensor, Tensor, Tensor]> {
  const { latents: drawn, prompts } = latents(key, 2);
  const noise = key.stream('noise').normal(drawn.shape);
  const { data } = key.stream('sigma').uniform([2]);
  return [
    tf.tensor(drawn.data, drawn.shape),
    tf.tensor(noise.data, noise.shape),
    tf.tensor1d(data),
    await text.encode(prompts),
  ];
}

describe.each(['onnx', 'cpu'] as const)('a step on %s', (engine) => {
  test('follows rate, count, average and batch bit for bit when it is replayed', async () => {
    await use(engine);
    const [replayed, recorded] = [await trained({}), await trained({ compiled: false })];
    if (engine === 'onnx') {
      expect(replayed.status?.reason).toBeNull();
      expect(replayed.status?.replayed).toBeGreaterThanOrEqual(4);
    }
    expect(recorded.status).toBeNull();
    expect(replayed.losses).toEqual(recorded.losses);
    expect(replayed.values).toEqual(recorded.values);
  });

  test('gives the same bits in two graphs, between which gradients could be reduced', async () => {
    await use(engine);
    const names: string[][] = [];
    const reduce = (gradients: Gradients): Gradients => {
      names.push([...gradients.keys()]);
      return gradients;
    };
    const [whole, apart] = [await trained({}), await trained({ reduce })];
    expect(names).toHaveLength(8);
    expect(names[0]).toEqual([...wanNet().weights.names()]);
    expect(apart.losses).toEqual(whole.losses);
    expect(apart.values).toEqual(whole.values);
  });

  test('takes what `reduce` makes of the gradients', async () => {
    await use(engine);
    const nothing = (gradients: Gradients): Gradients =>
      new Map([...gradients].map(([name, gradient]) => [name, tf.zerosLike(gradient)]));
    const { values } = await trained({ reduce: nothing });
    const decayed = (await wanNet().weights.get('head.head.weight').data())[0]!;
    expect(values['0/head.head.weight']![0]!).toBeCloseTo(decayed, 3);
    expect((await trained({})).values['0/head.head.weight']![0]!).not.toBeCloseTo(decayed, 3);
  });
});
