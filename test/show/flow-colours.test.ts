import { expect, test } from 'vitest';
import { colourWheel, flow, flowLegend, flowMaximum, flowToImage } from '../../src/show/flow.ts';

function single(u: number, v: number): number[] {
  const field = { u: Float32Array.of(u), v: Float32Array.of(v), height: 1, width: 1 };
  return [...flowToImage(field, 1).data];
}

test('the wheel has the published colours', () => {
  const wheel = colourWheel();
  expect(wheel).toHaveLength(55);
  expect([0, 1, 15, 21, 25, 36, 49, 54].map((i) => wheel[i])).toEqual([
    [255, 0, 0],
    [255, 17, 0],
    [255, 255, 0],
    [0, 255, 0],
    [0, 255, 255],
    [0, 0, 255],
    [255, 0, 255],
    [255, 0, 43],
  ]);
});

test.each([
  [1, 0, [255, 0, 0]],
  [0, 1, [255, 229, 0]],
  [-1, 0, [0, 209, 255]],
  [0, -1, [88, 0, 255]],
  [0.5, 0, [255, 127, 127]],
  [0.5, 0.5, [255, 155, 74]],
  [0, 0, [255, 255, 255]],
  [2, 0, [191, 0, 0]],
])('flow (%d, %d) has its published colour', (u, v, expected) => {
  expect(single(u, v)).toBeAllClose(expected, { atol: 1 });
});

test('unknown flow is black and does not count', () => {
  expect(single(Number.NaN, 0)).toEqual([0, 0, 0]);
  expect(single(2e9, 0)).toEqual([0, 0, 0]);
  const field = { u: Float32Array.of(3, 2e9), v: Float32Array.of(4, 0), height: 1, width: 2 };
  expect(flowMaximum([field])).toBe(5);
});

test('a field at rest is white', () => {
  const still = { u: new Float32Array(4), v: new Float32Array(4), height: 2, width: 2 };
  expect(new Set(flowToImage(still).data)).toEqual(new Set([255]));
});

test('the legend is white in the middle and in the corners, full colour at the rim', () => {
  const { data } = flowLegend(65);
  const at = (x: number, y: number): number[] => [...data.slice(3 * (y * 65 + x), 3 * (y * 65 + x) + 3)];
  expect(at(32, 32)).toEqual([255, 255, 255]);
  expect(at(0, 0)).toEqual([255, 255, 255]);
  expect(at(63, 32)).toBeAllClose([255, 8, 8], { atol: 8 });
});

test('panels share one scale, named in the text', () => {
  const field = (length: number) => ({ u: Float32Array.of(length), v: Float32Array.of(0), height: 1, width: 1 });
  expect(flow([field(1), field(4)]).toText()).toBe('Optical flow: 2 fields, full colour at 4.0 px a frame');
  expect(flow(field(1), { maximum: 12 }).toText()).toContain('at 12 px');
  expect(() => flow([])).toThrow('none given');
  expect(() => flowToImage({ ...field(1), width: 2 })).toThrow('[1, 2] needs 2 values, received 1 and 1');
});
