/** Flow fields against each other: the measures by hand, known motion of a real picture, RAFT on a real clip. */
import { beforeAll, describe, expect, test } from 'vitest';
import { use } from '../../src/engine/index.ts';
import { tf } from '../../src/engine/tf.ts';
import { lucasKanade } from '../../src/evaluate/flow/lucas-kanade.ts';
import { clipFlow, compareFlows, type Flow } from '../../src/evaluate/index.ts';
import { luma } from '../../src/evaluate/internal.ts';
import { raftEstimator } from '../../src/model/raft/raft.ts';
import { raftShapes } from '../../src/model/raft/weights.ts';
import { hashedWeights } from '../model/hashed-weights.ts';
import { tinyRaft } from '../model/raft/tiny.ts';
import { realClip } from './clips.ts';
import { shifted, warpingError } from './texture.ts';

beforeAll(() => use('onnx'));

/** A field of one row. */
function field(pixels: readonly (readonly [u: number, v: number, valid?: 0 | 1])[]): Flow {
  return {
    u: Float32Array.from(pixels, ([u]) => u),
    v: Float32Array.from(pixels, ([, v]) => v),
    valid: Uint8Array.from(pixels, ([, , valid = 1]) => valid),
    height: 1,
    width: pixels.length,
  };
}

/** The same motion everywhere. */
function constant(height: number, width: number, dx: number, dy: number): Flow {
  const size = height * width;
  const [u, v] = [new Float32Array(size).fill(dx), new Float32Array(size).fill(dy)];
  return { u, v, valid: new Uint8Array(size).fill(1), height, width };
}

describe('measures', () => {
  test('by hand, over the pixels that both sides know', () => {
    const got = compareFlows(
      [
        field([
          [3, 0],
          [1, 0],
          [9, 9, 0],
        ]),
      ],
      [
        field([
          [0, 4],
          [1, 0],
          [0, 0],
        ]),
      ],
    );
    expect(got.endPointError).toBeCloseTo(5 / 2, 12);
    expect(got.angularError).toBeCloseTo((180 / Math.PI) * (Math.acos(1 / Math.sqrt(10 * 17)) / 2), 10);
    expect(got.cosine).toBeCloseTo(1 / Math.sqrt(10 * 17), 12);
    expect(got.outliers).toBe(1 / 2);
    expect(got.compared).toBeCloseTo(2 / 3, 12);
  });

  test('pixels of all pairs count alike; errors below 5 % of a fast reference are no outliers', () => {
    const got = compareFlows(
      [
        field([[100, 0]]),
        field([
          [1, 0],
          [1, 0],
        ]),
      ],
      [
        field([[96, 0]]),
        field([
          [1, 0],
          [1, 0],
        ]),
      ],
    );
    expect(got).toMatchObject({ endPointError: 4 / 3, outliers: 0, compared: 1 });
    expect(compareFlows([field([[100, 0]])], [field([[105.5, 0]])]).outliers).toBe(1);
  });

  test('nothing that moves has no direction; nothing valid, other sizes and other numbers are refused', () => {
    const still = field([[0, 0]]);
    expect(compareFlows([still], [still])).toMatchObject({ endPointError: 0, angularError: 0, cosine: null });
    expect(() => compareFlows([field([[1, 1, 0]])], [still])).toThrow(/none of the 1 pixels/);
    expect(() =>
      compareFlows(
        [still],
        [
          field([
            [0, 0],
            [0, 0],
          ]),
        ],
      ),
    ).toThrow(/1x1 and 1x2/);
    expect(() => compareFlows([still, still], [still])).toThrow(/2 flows and 1 references/);
  });
});

describe('the weight-free flow of a real picture', () => {
  const size = 60;

  test.each([
    [0.5, -0.25, 0.1],
    [1, 0, 0.1],
    [-2, 1.5, 0.15],
    [3, -2, 0.25],
    [4, 4, 0.5],
  ])('moved by (%f, %f) px is off by less than %f px', async (dx, dy, bound) => {
    const scene = luma(await realClip(1), 0);
    const flow = lucasKanade(shifted(scene, size, 0, 0), shifted(scene, size, dx, dy));
    const inside = flow.valid.map((valid, i) => {
      const [x, y] = [i % size, Math.floor(i / size)];
      return Math.min(x, y, size - 1 - x, size - 1 - y) < 8 ? 0 : valid;
    });
    const got = compareFlows([{ ...flow, valid: inside }], [constant(size, size, dx, dy)]);
    expect(got.endPointError).toBeLessThan(bound);
    expect(got.cosine).toBeGreaterThan(0.98);
    expect(got.outliers).toBeLessThan(0.02);
  });
});

describe('a real clip', () => {
  test('is explained by the weight-free flow: following it takes two fifths off the change between frames', async () => {
    const clip = await realClip(4);
    const followed = warpingError(clip);
    const unmoved = warpingError(clip, ({ height, width }) => constant(height, width, 0, 0));
    expect(followed.validShare).toBeGreaterThan(0.6);
    expect(followed.error!).toBeLessThan(0.6 * unmoved.error!);
  });

  test('RAFT is compared with the weight-free flow wherever there is texture, without leaving tensors', async () => {
    const clip = await realClip(3);
    const raft = raftEstimator(
      { weights: hashedWeights(raftShapes(tinyRaft), 0.5), config: tinyRaft },
      { iterations: 4 },
    );
    const before = tf.memory().numTensors;
    const [ofRaft, weightFree] = [clipFlow(clip, raft), clipFlow(clip)];
    expect(tf.memory().numTensors).toBe(before);
    const got = compareFlows(ofRaft, weightFree);
    const valid = weightFree.flatMap(({ valid: known }) => [...known]);
    expect(got.compared).toBeCloseTo(valid.reduce((sum, value) => sum + value, 0) / valid.length, 12);
    expect(got.compared).toBeGreaterThan(0.9);
    expect(Object.values(got).every(Number.isFinite)).toBe(true);
    expect(compareFlows(weightFree, ofRaft).endPointError).toBeCloseTo(got.endPointError, 10);
    expect(compareFlows(ofRaft, ofRaft)).toMatchObject({ endPointError: 0, outliers: 0 });
  });
});
