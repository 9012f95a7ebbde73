import { beforeAll, expect, test } from 'vitest';
import * as engine from '../../src/engine/index.ts';
import { hostTensor } from '../../src/io/index.ts';
import { random, toHost, toTensor } from '../../src/nn/index.ts';
import { constant, fans, normal, xavierUniform } from '../../src/nn/internal.ts';

beforeAll(() => engine.use('cpu'));

test('fans count the kernel', () => {
  expect(fans([8, 4])).toEqual({ fanIn: 4, fanOut: 8 });
  expect(fans([8, 4, 3, 3])).toEqual({ fanIn: 36, fanOut: 72 });
});

test('draws have the wanted shape and spread', () => {
  const key = random.key(5);
  const matrix = xavierUniform(key, [60, 40]);
  expect(matrix.shape).toEqual([60, 40]);
  const bound = Math.sqrt(6 / 100);
  const values = Array.from(matrix.data as Float32Array);
  expect(Math.max(...values.map(Math.abs))).toBeLessThanOrEqual(bound);
  expect(deviation(values)).toBeCloseTo(bound / Math.sqrt(3), 2);
  expect(deviation(Array.from(normal(0.3)(key, [5000]).data as Float32Array))).toBeCloseTo(0.3, 2);
  expect(constant(2)(key, [3]).data).toEqual(new Float32Array([2, 2, 2]));
});

function deviation(values: number[]): number {
  return Math.sqrt(values.reduce((sum, value) => sum + value * value, 0) / values.length);
}

test.each([
  ['float64', new Float64Array([1.5, -2]), 'float32', [1.5, -2]],
  ['bfloat16', new Uint16Array([0x3fc0, 0xc000]), 'float32', [1.5, -2]],
  ['int8', new Int8Array([1, -2]), 'int32', [1, -2]],
  ['uint8', new Uint8Array([1, 255]), 'int32', [1, 255]],
  ['bool', new Uint8Array([1, 0]), 'bool', [1, 0]],
] as const)('%s becomes a tensor and comes back as its nearest type', async (dtype, data, wanted, values) => {
  const tensor = toTensor(hostTensor(dtype, [2], data));
  const back = await toHost(tensor);
  expect(tensor.dtype).toBe(wanted);
  expect(back.dtype).toBe(wanted);
  expect(Array.from(back.data as Float32Array)).toEqual(values);
  tensor.dispose();
});

test('integers that a tensor cannot hold are refused', () => {
  expect(() => toTensor(hostTensor('int64', [1], new BigInt64Array(1)))).toThrow('int64 does not fit');
});
