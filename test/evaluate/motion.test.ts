import { describe, expect, test } from 'vitest';
import type { Flow } from '../../src/evaluate/flow/lucas-kanade.ts';
import {
  brightnessFlicker,
  diversity,
  frameDifferences,
  jerk,
  motionReport,
  seamRatio,
  stillShare,
  type Track,
} from '../../src/evaluate/motion/report.ts';
import { trusted } from '../../src/evaluate/motion/warping.ts';
import { clipDynamicDegree, dynamicDegree, flicker } from '../../src/evaluate/vbench/rules.ts';
import type { Clip } from '../../src/io/index.ts';
import { digits } from '../../src/world/index.ts';
import { shifted, texture, warpingError } from './texture.ts';

const SIDE = 32;

/** A clip whose frame t is `value(t, pixel)` in all channels. */
function grey(frames: number, value: (frame: number, pixel: number) => number): Clip {
  const size = SIDE * SIDE;
  const data = Float32Array.from({ length: frames * size * 3 }, (_, i) => {
    const pixel = Math.floor(i / 3);
    return value(Math.floor(pixel / size), pixel % size);
  });
  return { data, frames, height: SIDE, width: SIDE, fps: 8 };
}

/** A texture gliding by (dx, dy) a frame. */
function gliding(frames: number, dx: number, dy: number, brightness = (_: number) => 0): Clip {
  const scene = texture(SIDE, 5);
  const planes = Array.from({ length: frames }, (_, t) => shifted(scene, SIDE, dx * t, dy * t).data);
  return grey(frames, (t, pixel) => 0.2 + 0.6 * planes[t]![pixel]! + brightness(t));
}

describe('dynamic degree', () => {
  test.each(['slowly', 'quickly'] as const)('a digit that moves %s counts as moving, a still one does not', (speed) => {
    const label = { digit: 8, colour: 'red', direction: 'left', speed } as const;
    const moving = clipDynamicDegree(digits.clip(1, { label }).clip);
    expect(moving.moving).toBe(true);
    expect(moving.threshold).toBe(0.75);
    expect([moving.continuous / 8]).toBeAllClose([digits.SPEEDS[speed]], { atol: 0.5 });
    const still = clipDynamicDegree(digits.clip(1, { label, still: true }).clip);
    expect(still).toMatchObject({ moving: false, continuous: 0 });
  });

  test('halves round to even, as in the reference', () => {
    const needed = (frames: number) => dynamicDegree(new Array(frames - 1).fill(0), 32, 32).needed;
    expect([2, 6, 10, 14, 18].map(needed)).toEqual([0, 2, 2, 4, 4]);
    expect(dynamicDegree([0], 32, 32).moving).toBe(true);
    expect(() => dynamicDegree([], 32, 32)).toThrow('no frame pair');
  });
});

test('flicker of flat frames 0, 10, 4 is .968627', () => {
  const levels = [0, 10, 4];
  expect(flicker(grey(3, (t) => levels[t]! / 255))).toBeCloseTo(0.968627, 6);
  expect(flicker(grey(3, () => 0.3))).toBe(1);
});

describe('warping error', () => {
  test('following a gliding texture leaves little; brightness flicker of amplitude d leaves 3 d^2', () => {
    const calm = warpingError(gliding(4, 1, 0));
    expect(calm.validShare).toBeGreaterThan(0.6);
    expect(calm.error).toBeLessThan(2e-4);
    const still = gliding(4, 0, 0, (t) => (t % 2) * 0.05);
    expect(warpingError(still, noFlow).error).toBeCloseTo(3 * 0.05 ** 2, 4);
  });

  test('is withheld when too little can be trusted', () => {
    expect(warpingError(gliding(3, 0, 0), disagreeing).error).toBeNull();
  });

  test('forward and backward flow must cancel', () => {
    const flow = (u: number): Flow => ({ ...noFlow(), u: new Float32Array(SIDE * SIDE).fill(u) });
    const middle = 16 * SIDE + 16;
    expect(trusted(flow(3), flow(-2.5))[middle]).toBe(1);
    expect(trusted(flow(3), flow(-1.5))[middle]).toBe(0);
    expect(trusted(flow(3), flow(-3))[SIDE - 1]).toBe(0);
  });
});

test('jerk: 6 over speed for cubes, 0 for steady motion', () => {
  const cubes: Track = [0, 1, 2, 3, 4].map((t) => [t ** 3, 0]);
  expect(jerk([cubes])).toBeCloseTo(6 / ((7 + 19) / 2 + 0.1), 6);
  expect(jerk([[0, 1, 2, 3].map((t) => [2 * t, t]) as Track])).toBe(0);
  expect(jerk([])).toBeNull();
});

test('differences, still frames and joints', () => {
  const steps = grey(7, (t) => 0.01 * t + (t >= 3 ? 0.3 : 0));
  expect(frameDifferences(steps)).toBeAllClose([0.01, 0.01, 0.31, 0.01, 0.01, 0.01], { atol: 1e-6 });
  expect(seamRatio(steps, [3])).toBeCloseTo(31, 2);
  expect(seamRatio(steps, [])).toBeNull();
  expect(stillShare(grey(5, (t) => (t < 3 ? 0.5 : 0.6)))).toBe(0.75);
  expect(brightnessFlicker(grey(6, (t) => 0.1 * t))).toBeCloseTo(0, 6);
  expect(brightnessFlicker(grey(6, (t) => (t % 2) * 0.1))).toBeGreaterThan(0.15);
});

test('diversity is 0 for copies and grows with distance', () => {
  const level = (value: number) => grey(2, () => value);
  expect(diversity([level(0.5), level(0.5)])).toBe(0);
  expect(diversity([level(0), level(1)])).toBe(1);
  expect(() => diversity([level(0)])).toThrow('two clips');
});

test('the report of a true clip is clean and of a halting clip tells so', () => {
  const { clip } = digits.clip(2, { label: { digit: 5, colour: 'white', direction: 'right', speed: 'quickly' } });
  const good = motionReport(clip, { borders: [3, 6] });
  expect(good.dynamicDegree.moving).toBe(true);
  expect(good.decay).toBeCloseTo(1, 1);
  expect(good.seamRatio).toBeCloseTo(1, 1);
  expect(good.jerk).toBeLessThan(0.2);
  const frame = SIDE * SIDE * 3;
  const halted = { ...clip, data: Float32Array.from(clip.data) };
  for (let t = 5; t < 9; t++) halted.data.copyWithin(t * frame, 4 * frame, 5 * frame);
  expect(motionReport(halted).decay).toBe(0);
  expect(motionReport(halted).stillShare).toBe(0.5);
});

function noFlow(): Flow {
  const zeros = () => new Float32Array(SIDE * SIDE);
  return { u: zeros(), v: zeros(), valid: new Uint8Array(SIDE * SIDE).fill(1), height: SIDE, width: SIDE };
}

function disagreeing(): Flow {
  return { ...noFlow(), u: new Float32Array(SIDE * SIDE).fill(5) };
}
