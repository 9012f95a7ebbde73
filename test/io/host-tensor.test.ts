import { describe, expect, test } from 'vitest';
import { clipFrame, createClip, hostTensor, toFloat32 } from '../../src/io/index.ts';
import { elementCount, toBfloat16, toFloat16 } from '../../src/io/internal.ts';

describe('widening', () => {
  test.each([
    [0x3c00, 1],
    [0xc000, -2],
    [0x0001, 2 ** -24],
    [0x03ff, (1023 / 1024) * 2 ** -14],
    [0x7bff, 65504],
    [0xfc00, Number.NEGATIVE_INFINITY],
    [0x7e00, Number.NaN],
    [0x8000, -0],
  ])('float16 %i is %d', (bits, value) => {
    expect(toFloat32(hostTensor('float16', [1], new Uint16Array([bits])))[0]).toBe(value);
  });

  test.each([
    ['float8_e4m3', 0x7e, 448],
    ['float8_e4m3', 0x01, 2 ** -9],
    ['float8_e4m3', 0x7f, Number.NaN],
    ['float8_e5m2', 0x7b, 57344],
    ['float8_e5m2', 0x7c, Number.POSITIVE_INFINITY],
    ['float8_e5m2', 0x81, -(2 ** -16)],
  ] as const)('%s %i is %d', (dtype, bits, value) => {
    expect(toFloat32(hostTensor(dtype, [1], new Uint8Array([bits])))[0]).toBe(value);
  });

  test('bfloat16 widens exactly and narrows to nearest even', () => {
    const values = new Float32Array([1, 1 + 2 ** -8, 1 + 3 * 2 ** -8, -3.5, Number.POSITIVE_INFINITY, Number.NaN]);
    const narrow = hostTensor('bfloat16', [6], toBfloat16(values));
    expect(Array.from(toFloat32(narrow))).toEqual([1, 1, 1 + 2 ** -6, -3.5, Number.POSITIVE_INFINITY, Number.NaN]);
  });

  test('half precisions widen into memory that is given, if it is large enough', () => {
    const into = new Float32Array(4).fill(7);
    const halves = (dtype: 'bfloat16' | 'float16', words: number[]) =>
      hostTensor(dtype, [words.length], Uint16Array.from(words));
    expect(Array.from(toFloat32(halves('bfloat16', [0x3f80, 0xc000]), into))).toEqual([1, -2]);
    expect(Array.from(into)).toEqual([1, -2, 7, 7]);
    expect(toFloat32(halves('float16', [0x3c00, 0x4000, 0]), into).buffer).toBe(into.buffer);
    expect(toFloat32(halves('float16', [0, 0, 0, 0, 0x3c00]), into)[4]).toBe(1);
  });

  test('every half-precision value survives widening and narrowing, neighbours round to even', () => {
    const patterns = Uint16Array.from({ length: 0x7c01 }, (_, i) => i);
    const values = toFloat32(hostTensor('float16', [patterns.length], patterns));
    expect(toFloat16(values)).toEqual(patterns);
    expect(toFloat16(values.map((value) => -value)).subarray(1)).toEqual(patterns.map((i) => i | 0x8000).subarray(1));
    const halfway = Float32Array.from({ length: 0x7bff }, (_, i) => (values[i]! + values[i + 1]!) / 2);
    expect(toFloat16(halfway)).toEqual(Uint16Array.from({ length: 0x7bff }, (_, i) => i + (i % 2)));
    expect(Array.from(toFloat16(new Float32Array([65519, 65520, 1e30, Number.NaN])))).toEqual([
      0x7bff, 0x7c00, 0x7c00, 0x7e00,
    ]);
  });

  test('integers and booleans become numbers', () => {
    expect(toFloat32(hostTensor('int64', [2], new BigInt64Array([-1n, 2n ** 40n])))).toEqual(
      new Float32Array([-1, 2 ** 40]),
    );
    expect(toFloat32(hostTensor('bool', [2], new Uint8Array([1, 0])))).toEqual(new Float32Array([1, 0]));
  });
});

test('a host tensor whose parts do not belong together is refused', () => {
  expect(() => hostTensor('float32', [2, 2], new Float32Array(3))).toThrow('[2, 2] needs 4 elements, received 3');
  expect(() => hostTensor('bfloat16', [1], new Float32Array(1))).toThrow('bfloat16 is held in a Uint16Array');
  expect(() => elementCount([2, -1])).toThrow('extent -1');
  expect(() => elementCount([2 ** 30, 2 ** 30])).toThrow('2^53');
});

test('frames of a clip are views, counted from either end', () => {
  const clip = createClip(
    Float32Array.from({ length: 2 * 12 }, (_, i) => i / 24),
    { frames: 2, height: 2, width: 2, fps: 8 },
  );
  expect(clipFrame(clip, -1)).toEqual(clip.data.subarray(12));
  expect(clipFrame(clip, 0).buffer).toBe(clip.data.buffer);
  expect(() => clipFrame(clip, 2)).toThrow('received 2');
  expect(() => createClip(new Float32Array(5), { frames: 1, height: 2, width: 2, fps: 8 })).toThrow('needs 12 values');
  expect(() => createClip(new Float32Array(12), { frames: 1, height: 2, width: 2, fps: 0 })).toThrow('fps');
});
