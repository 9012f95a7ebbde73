import { beforeAll, describe, expect, test } from 'vitest';
import { use } from '../../../src/engine/index.ts';
import { type Tensor, tf } from '../../../src/engine/tf.ts';
import type { HostTensor } from '../../../src/io/index.ts';
import {
  createCache,
  createCrossAttnCache,
  disposeCache,
  queriesAtOnce,
  type WanConfig,
  wan,
  wanCachedForward,
  wanCausalForward,
  wanForward,
  wanPresets,
} from '../../../src/model/internal.ts';
import { boundedAttention } from '../../../src/model/wan/attention.ts';
import { swappedWan } from '../../../src/model/wan/swapped.ts';
import { type Part, random, toTensor, Weights } from '../../../src/nn/index.ts';
import { normal } from '../../../src/nn/internal.ts';

const config = wanPresets.tiny;
const key = random.key(5);
const draw = (name: string, shape: number[]): Tensor => toTensor(key.stream(name).normal(shape));

describe.each(['cpu', 'onnx'] as const)('on %s', (engine) => {
  let host: Map<string, HostTensor>;
  beforeAll(async () => {
    await use(engine);
    const { weights } = wan.init(config, key);
    host = await weights.toHost();
    const head = host.get('head.head.weight')!;
    host.set('head.head.weight', normal(0.1)(key.stream('head'), head.shape));
    weights.dispose();
  });

  /** The same pass with resident and with swapped blocks. */
  async function both(pass: (net: Part<WanConfig>) => Tensor): Promise<Float32Array[]> {
    const all = [wan.net(config, Weights.from(host)), swappedWan(config, { read: (name) => host.get(name)! })];
    const results: Float32Array[] = [];
    for (const net of all) {
      const before = tf.memory().numTensors;
      const y = pass(net);
      results.push((await y.data()) as Float32Array);
      y.dispose();
      expect(tf.memory().numTensors).toBe(before);
      net.dispose();
    }
    return results;
  }

  test('swapped blocks give the same bits, and no tensor stays', async () => {
    const x = draw('x', [2, 3, 4, 6, 4]);
    const context = draw('context', [2, 5, config.text_dim]);
    const passes: ((net: Part<WanConfig>) => Tensor)[] = [
      (net) => wanForward(net, { x, t: 937.5, context }),
      (net) =>
        wanCausalForward(net, {
          x,
          t: [
            [1000, 800, 600],
            [0, 1, 2],
          ],
          context,
        }),
      (net) => {
        const text = createCrossAttnCache(net, context);
        const result = wanForward(net, { x, t: 500, context: text });
        disposeCache(text);
        return result;
      },
      (net) => {
        const empty = createCache(config, 6);
        const part = (from: number): Tensor => x.slice([0, from], [-1, 1]);
        const [first, second] = [part(0), part(1)];
        const one = wanCachedForward(net, { x: first, t: 0, context }, empty);
        const two = wanCachedForward(net, { x: second, t: 700, context }, one.cache);
        tf.dispose([first, second, one.velocity]);
        disposeCache(one.cache);
        disposeCache(two.cache);
        return two.velocity;
      },
    ];
    for (const pass of passes) {
      const [resident, swapped] = await both(pass);
      expect(swapped).toEqual(resident);
    }
    tf.dispose([x, context]);
  });

  test('a gradient is refused', () => {
    const net = swappedWan(config, { read: (name) => host.get(name)! });
    const [x, context] = [draw('x', [1, 1, 2, 2, 4]), draw('context', [1, 2, config.text_dim])];
    const loss = (input: Tensor): Tensor => wanForward(net, { x: input, t: 1, context }).sum();
    expect(() => tf.grad(loss)(x)).toThrow(/resident blocks/);
    net.dispose();
  });

  test('attention in parts is attention', async () => {
    const [q, k, v] = ['q', 'k', 'v'].map((name) => draw(name, [1, 7, 2, 4])) as [Tensor, Tensor, Tensor];
    const whole = await boundedAttention(q, k, v).data();
    expect(await boundedAttention(q, k, v, { atOnce: 3 }).data()).toBeAllClose(whole, { atol: 1e-6 });
  });
});

test('full-size logits are cut to 1 GiB, small ones are not cut', () => {
  expect(queriesAtOnce(1, 12, 32760, 32760)).toBe(682);
  expect(queriesAtOnce(1, 12, 1560, 1560)).toBe(1560);
});
