import { describe, expect, test } from 'vitest';
import { DIMENSIONS, type Dimension, vbenchTotals } from '../../src/evaluate/vbench/dimensions.ts';
import { consistency, dynamicDegree, flicker, sampledFrames, topMagnitude } from '../../src/evaluate/vbench/rules.ts';
import { paddingTo, padPlane } from '../../src/evaluate/vbench/watch.ts';
import type { Clip } from '../../src/io/index.ts';
import { expectParity, type FixtureTensors, fixture } from './fixtures.ts';

type Named = Record<string, number>;

interface Expected {
  constants: {
    normalize: Record<string, { Min: number; Max: number }>;
    dim_weight: Named;
    quality_list: string[];
    semantic_list: string[];
  };
  rows: Record<string, { raw: Named; normalised_weighted: Named; quality: number; semantic: number; total: number }>;
  dynamic: { threshold: number; count_num: number; scores: number[]; moving: boolean }[];
  flicker: { frames: number; static: number };
  frame_sampling: { fps: number; frames: number; interval: number; kept: number[]; count_num: number }[];
  consistency: { per_frame: number[]; video: number };
  pad: { left_right_top_bottom: number[] };
}

const source = fixture('vbench-scoring');
const expected = source.json<Expected>('expected.json');
const id = (name: string): Dimension => name.replaceAll(' ', '_') as Dimension;
const exact = { atol: 1e-6 };

test('the constants are those of the reference script', () => {
  const { normalize, dim_weight, quality_list, semantic_list } = expected.constants;
  expect(Object.keys(DIMENSIONS).sort()).toEqual(Object.keys(normalize).map(id).sort());
  for (const [name, { Min, Max }] of Object.entries(normalize)) {
    const group = quality_list.includes(name) ? 'quality' : 'semantic';
    const { by: _, files: __, ...rule } = DIMENSIONS[id(name)];
    expect(rule).toEqual({ group, min: Min, max: Max, weight: dim_weight[name] });
  }
  expect(quality_list.length + semantic_list.length).toBe(Object.keys(DIMENSIONS).length);
});

test.each(Object.entries(expected.rows))('totals of %s', async (name, row) => {
  const totals = vbenchTotals(Object.fromEntries(Object.entries(row.raw).map(([key, value]) => [id(key), value])));
  const names = Object.keys(row.normalised_weighted);
  const weighted = names.map((key) => (totals.normalised[id(key)] ?? Number.NaN) * DIMENSIONS[id(key)].weight);
  await expectParity(`vbench-scoring ${name} normalised`, weighted, Object.values(row.normalised_weighted), exact);
  const received = [totals.quality, totals.semantic, totals.total].map(Number);
  await expectParity(`vbench-scoring ${name} totals`, received, [row.quality, row.semantic, row.total], exact);
});

test('dynamic degree of each flow sequence', async () => {
  const tensors = await source.tensors();
  const [cases, pairs, , height, width] = tensors.shape('dynamic.flows') as [number, number, number, number, number];
  expect(cases).toBe(expected.dynamic.length);
  const flows = tensors.values('dynamic.flows');
  const size = height * width;
  for (const [at, want] of expected.dynamic.entries()) {
    const scores = Array.from({ length: pairs }, (_, pair) => {
      const start = (at * pairs + pair) * 2 * size;
      return topMagnitude(flows.subarray(start, start + size), flows.subarray(start + size, start + 2 * size));
    });
    await expectParity('vbench-scoring dynamic scores', scores, want.scores, { atol: 1e-5 });
    const rule = dynamicDegree(scores, height, width);
    expect(rule).toMatchObject({ threshold: want.threshold, needed: want.count_num, moving: want.moving });
  }
});

test.each(expected.frame_sampling)('at $fps fps $frames frames are thinned', ({ fps, frames, ...want }) => {
  const { interval, kept } = sampledFrames(frames, fps);
  expect({ interval, kept }).toEqual({ interval: want.interval, kept: want.kept });
  expect(dynamicDegree(new Array(Math.max(1, kept.length - 1)).fill(0), 256, 256).needed).toBe(want.count_num);
});

describe('measures on tensors', () => {
  test('flicker', async () => {
    const tensors = await source.tensors();
    const received = ['flicker.frames', 'flicker.static_frames'].map((name) => flicker(toClip(tensors, name)));
    await expectParity('vbench-scoring flicker', received, [expected.flicker.frames, expected.flicker.static], exact);
  });

  test('consistency', async () => {
    const tensors = await source.tensors();
    const [frames, width] = tensors.shape('consistency.features') as [number, number];
    const values = tensors.values('consistency.features');
    const features = Array.from({ length: frames }, (_, i) => values.subarray(i * width, (i + 1) * width));
    const { perFrame, score } = consistency(features);
    await expectParity('vbench-scoring consistency', perFrame, expected.consistency.per_frame, exact);
    expect(score).toBeCloseTo(expected.consistency.video, 6);
  });

  test('padding', async () => {
    const tensors = await source.tensors();
    const [batch, channels, height, width] = tensors.shape('pad.image') as [number, number, number, number];
    const padding = paddingTo(8, height, width);
    const { left, right, top, bottom } = padding;
    expect([left, right, top, bottom]).toEqual(expected.pad.left_right_top_bottom);
    const image = tensors.values('pad.image') as Float32Array;
    const size = height * width;
    const planes = Array.from({ length: batch * channels }, (_, i) =>
      padPlane({ data: image.subarray(i * size, (i + 1) * size), height, width }, padding),
    );
    expect(tensors.shape('pad.padded')).toEqual([batch, channels, planes[0]?.height, planes[0]?.width]);
    const padded = Float32Array.from(planes.flatMap(({ data }) => [...data]));
    await expectParity('vbench-scoring padding', padded, tensors.values('pad.padded'), exact);
  });
});

/** [F, H, W, 3] bytes as a clip in [0, 1]. */
function toClip(tensors: FixtureTensors, name: string): Clip {
  const [frames, height, width] = tensors.shape(name) as [number, number, number];
  return { data: Float32Array.from(tensors.values(name), (value) => value / 255), frames, height, width, fps: 8 };
}
