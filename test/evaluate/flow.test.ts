import { describe, expect, test } from 'vitest';
import { clipFlow, lucasKanade } from '../../src/evaluate/flow/lucas-kanade.ts';
import type { Plane } from '../../src/evaluate/flow/plane.ts';
import { digits } from '../../src/world/index.ts';
import { shifted, texture, transposed } from './texture.ts';

/** [size, dx, dy, largest mean end-point error in px] of the interior. */
const table: [number, number, number, number][] = [
  [32, 0.5, -0.25, 0.11],
  [32, 1, 0, 0.072],
  [32, 3, -2, 0.238],
  [32, 5.3, 3.6, 0.148],
  [32, 8, -6, 0.738],
  [64, 0.5, -0.25, 0.104],
  [64, 1, 0, 0.057],
  [64, 3, -2, 0.081],
  [64, 5.3, 3.6, 0.32],
  [64, 8, -6, 0.254],
  [128, 3, -2, 0.064],
  [128, 12, 9, 0.25],
  [128, 8, -6, 0.227],
];

describe('Lucas-Kanade flow', () => {
  test.each(table)('%ipx texture shifted by (%f, %f) is followed within %f px', (size, dx, dy, bound) => {
    for (let seed = 0; seed < 2; seed++) {
      const scene = texture(size, seed);
      const flow = lucasKanade(shifted(scene, size, 0, 0), shifted(scene, size, dx, dy));
      const margin = Math.ceil(Math.max(Math.abs(dx), Math.abs(dy))) + 4;
      let [error, count] = [0, 0];
      for (let y = margin; y < size - margin; y++) {
        for (let x = margin; x < size - margin; x++, count++) {
          error += Math.hypot(flow.u[y * size + x]! - dx, flow.v[y * size + x]! - dy);
        }
      }
      expect(error / count).toBeLessThan(bound);
    }
  });

  test('no motion is exactly no flow', () => {
    const plane = shifted(texture(32, 1), 32, 0, 0);
    const flow = lucasKanade(plane, plane);
    expect(flow.u).toBeAllClose(new Float32Array(1024), { atol: 1e-6 });
    expect(flow.valid.every((value) => value === 1)).toBe(true);
  });

  test('a black image has no flow and nothing valid', () => {
    const black: Plane = { data: new Float32Array(1024), height: 32, width: 32 };
    const flow = lucasKanade(black, { ...black, data: new Float32Array(1024).fill(1) });
    expect([...flow.u, ...flow.v, ...flow.valid].every((value) => value === 0)).toBe(true);
  });

  test('swapping the axes of the images swaps the flow', () => {
    const scene = texture(32, 2);
    const [first, second] = [shifted(scene, 32, 0, 0), shifted(scene, 32, 2, -1)];
    const flow = lucasKanade(first, second);
    const turned = lucasKanade(transposed(first), transposed(second));
    expect(transposed({ ...first, data: turned.v }).data).toBeAllClose(flow.u, { atol: 1e-4 });
    expect(transposed({ ...first, data: turned.u }).data).toBeAllClose(flow.v, { atol: 1e-4 });
  });

  test('planes of different size are refused', () => {
    const plane = (side: number): Plane => ({ data: new Float32Array(side * side), height: side, width: side });
    expect(() => lucasKanade(plane(16), plane(32))).toThrow('16x16 and 32x32');
  });
});

test('on digits the flow of lit pixels is the true motion', () => {
  for (const [index, direction] of (['left', 'down'] as const).entries()) {
    const label = { digit: 3 + index, colour: 'white', direction, speed: 'quickly' } as const;
    const { clip, motion } = digits.clip(index, { label });
    const [flow] = clipFlow(clip);
    const lit = [...clip.data.subarray(0, 3 * 1024)].filter((_, i) => i % 3 === 0);
    let [u, v, count] = [0, 0, 0];
    for (const [i, value] of lit.entries()) {
      if (value < 0.5) continue;
      u += flow!.u[i]!;
      v += flow!.v[i]!;
      count++;
    }
    expect([u / count, v / count]).toBeAllClose(motion, { atol: 0.1 });
  }
});
