import fc from 'fast-check';
import { beforeAll, describe, expect, test } from 'vitest';
import * as engine from '../../../src/engine/index.ts';
import { tf } from '../../../src/engine/tf.ts';
import { createCache, type KvCache, wanPresets } from '../../../src/model/internal.ts';
import { causalBlocks, causalVisibility, visibilityMask } from '../../../src/model/wan/attention.ts';
import { planCache } from '../../../src/model/wan/cached.ts';
import { wanConfig } from '../../../src/model/wan/config.ts';
import { patchify, unpatchify } from '../../../src/model/wan/embedding.ts';
import { ropeTables, ropeWidths, sinusoid, timestepEmbedding } from '../../../src/model/wan/positions.ts';

beforeAll(() => engine.use('cpu'));

describe('embeddings against figures of the reference', () => {
  test.each([
    [500, [0, 1, 64, 128, 129, 255], [-0.88384927, 0.94594258, 0.28366219, -0.46777181, 0.32433414, 0.05370454]],
    [937.5, [0, 1, 128, 255], [0.26230213, 0.58048729, 0.9649858, 0.10057415]],
  ])('sinusoid of %d', (t, entries, wanted) => {
    const values = sinusoid(t, 256);
    expect(entries.map((i) => values[i]!)).toBeAllClose(wanted, { atol: 1e-8 });
  });

  test('sinusoids computed on the engine', () => {
    const steps = [0, 0.3, 20.5, 499.9996, 833.33331, 980, 1000];
    const computed = timestepEmbedding(tf.tensor1d(steps), 256).dataSync();
    const exact = steps.flatMap((t) => Array.from(sinusoid(Math.fround(t), 256)));
    expect(computed).toBeAllClose(exact, { atol: 3e-7 });
  });

  test('rotary angles of frame 5, row 3, column 7', () => {
    const config = wanPresets['wan2.1-t2v-1.3b'];
    const { cos, sin } = ropeTables(config, [2, 4, 8], 4);
    const token = 1 * 32 + 3 * 8 + 7;
    const angle = (pair: number) => Math.atan2(sin[token * 64 + pair]!, cos[token * 64 + pair]!);
    const turn = 2 * Math.PI;
    const wanted = [
      [0, 5 - turn],
      [1, 3.28966612 - turn],
      [21, 0.00075996],
      [22, 3],
      [23, 1.93484003],
      [42, 0.00046515],
      [43, 7 - turn],
      [44, 4.51462674 - turn],
      [63, 0.00108536],
    ] as const;
    for (const [pair, value] of wanted) expect(angle(pair)).toBeCloseTo(value, 7);
  });

  test.each([
    [128, [44, 42, 42]],
    [32, [12, 10, 10]],
    [48, [16, 16, 16]],
    [64, [24, 20, 20]],
    [40, [16, 12, 12]],
  ])('a head of width %d is split', (width, wanted) => {
    expect(ropeWidths(width)).toEqual(wanted);
  });
});

test.each([
  [
    [1, 2, 2],
    [2, 3, 4, 6],
  ],
  [
    [1, 1, 1],
    [1, 3, 4, 5],
  ],
  [
    [2, 1, 3],
    [2, 4, 2, 6],
  ],
] as [[number, number, number], number[]][])('patches of %j put every value back', (patch_size, shape) => {
  const config = { ...wanPresets.tiny, patch_size, in_dim: 3, out_dim: 3 };
  const x = tf.randomUniform([...shape, 3]);
  const grid = patch_size.map((extent, axis) => shape[axis + 1]! / extent) as [number, number, number];
  expect(unpatchify(config, patchify(config, x), grid).dataSync()).toEqual(x.dataSync());
});

describe('what blocks see', () => {
  const config = wanConfig({ ...wanPresets.tiny, num_frame_per_block: 2 });

  test('blocks tile the frames, the last may be short', () => {
    expect(causalBlocks(config, 5).map(({ start, end }) => [start, end])).toEqual([
      [0, 2],
      [2, 4],
      [4, 5],
    ]);
    const single = { ...config, independent_first_frame: true };
    expect(causalBlocks(single, 5).map(({ start, end }) => [start, end])).toEqual([
      [0, 1],
      [1, 3],
      [3, 5],
    ]);
  });

  test('a local window reaches back from the end of the whole block', () => {
    const local = { ...config, local_attn_size: 3 };
    const mask = visibilityMask(causalVisibility(local, 5), 1).data as Uint8Array;
    const rows = Array.from({ length: 5 }, (_, q) => mask.slice(5 * q, 5 * q + 5).join(''));
    expect(rows).toEqual(['11000', '11000', '01110', '01110', '00011']);
  });
});

/** The bookkeeping of the reference's cache, on a list of token numbers. */
function referenceCache(capacity: number, sink: number) {
  const slots: number[] = [];
  let [globalEnd, localEnd] = [0, 0];
  return (start: number, count: number): number[] => {
    const end = start + count;
    if (end > globalEnd && count + localEnd > capacity) {
      const evicted = count + localEnd - capacity;
      slots.splice(sink, evicted);
      localEnd += end - globalEnd - evicted;
    } else {
      localEnd += end - globalEnd;
    }
    for (let i = 0; i < count; i++) slots[localEnd - count + i] = start + i;
    globalEnd = end;
    return slots.slice(0, localEnd);
  };
}

test('the cache keeps the tokens that the reference keeps', () => {
  const sizes = fc.record({ block: fc.integer({ min: 1, max: 3 }), sink: fc.nat(2), extra: fc.nat(4) });
  const passes = fc.array(fc.nat(2), { maxLength: 12 });
  fc.assert(
    fc.property(sizes, passes, ({ block, sink, extra }, repeats) => {
      const capacity = sink + block + extra;
      const reference = referenceCache(capacity, sink);
      let cache: KvCache = { ...createCache(wanPresets.tiny, 1), capacity };
      let tokens: number[] = [];
      for (const [index, repeat] of repeats.entries()) {
        for (let pass = 0; pass <= repeat; pass++) {
          const start = index * block;
          const plan = planCache(cache, start, block, sink);
          const own = Array.from({ length: block }, (_, i) => start + i);
          tokens = [...plan.kept.flatMap((range) => tokens.slice(range.start, range.end)), ...own];
          cache = { ...cache, globalEnd: plan.globalEnd, localEnd: plan.localEnd };
          expect(tokens).toEqual(reference(start, block));
          expect(tokens).toHaveLength(plan.localEnd);
        }
      }
    }),
  );
});
