/** Every good PyTorch file of the fixture reads exactly, every hostile or broken one is refused. */
import { describe, expect, test } from 'vitest';
import { type HostTensor, openPth, PthError, type PthFile, toFloat32 } from '../../src/io/index.ts';
import type { PickleValue } from '../../src/io/internal.ts';
import { PthTensor } from '../../src/io/pth-tensor.ts';
import { fixture } from './fixtures.ts';

interface Entry {
  dtype: string;
  shape: number[];
  stride: number[];
  storage_offset: number;
  values: unknown[];
  python: unknown;
}

interface Case {
  ok: boolean | 'optional';
  why?: string;
  entries?: Record<string, Entry>;
  shares_storage?: string[][];
}

const files = fixture('pth-reader');
const cases = Object.entries(files.json<Record<string, Case>>('expected.json')).filter(([name]) =>
  /\.pth?$/.test(name),
);
const codes: Record<string, string> = { float32: 'F32', float64: 'F64', float16: 'F16', bfloat16: 'BF16', int64: 'I64', int32: 'I32', int16: 'I16', int8: 'I8', uint8: 'U8', bool: 'BOOL' }; // biome-ignore format: one row

/** The value at '/key/key' of a saved object; tensors of scripted modules are found by dotted name. */
function find(file: PthFile, path: string): PickleValue | undefined {
  const keys = path.slice(1).split('/');
  let value: PickleValue | undefined = file.value;
  for (const key of keys) {
    if (Array.isArray(value)) value = value[Number(key)];
    else if (value instanceof Map) value = value.get(value.has(key) ? key : Number(key));
    else return undefined;
  }
  return value === undefined && file.has(keys.join('.')) ? file.info(keys.join('.')) : value;
}

/** Elements as the fixture writes them: large integers and non-finite numbers as text. */
function written({ dtype, data }: HostTensor, expected: unknown[]): unknown[] {
  const values = dtype === 'float16' || dtype === 'bfloat16' ? toFloat32({ dtype, shape: [data.length], data }) : data;
  return Array.from(values as ArrayLike<number | bigint>, (value, i) => {
    if (dtype === 'bool') return value === 1;
    if (typeof expected[i] !== 'string') return Number(value);
    return typeof value === 'bigint' ? String(value) : String(value);
  });
}

describe.each(cases.filter(([, { ok }]) => ok !== false))('%s', (name, { entries = {}, shares_storage = [] }) => {
  test.each(Object.entries(entries))('%s', async (path, expected) => {
    const file = await openPth(files.path(name));
    const value = find(file, path);
    if (!(value instanceof PthTensor)) {
      expect(typeof expected.python === 'string' && typeof value === 'bigint' ? String(value) : value).toEqual(
        expected.python,
      );
      return;
    }
    expect(codes[value.dtype]).toBe(expected.dtype);
    expect(value.shape).toEqual(expected.shape);
    expect(value.stride).toEqual(expected.stride);
    expect(value.offset).toBe(expected.storage_offset);
    const tensor = await file.read(value);
    expect(tensor.shape).toEqual(expected.shape);
    expect(written(tensor, expected.values)).toEqual(expected.values);
  });

  test('the expected tensors and no others', async () => {
    const file = await openPth(files.path(name));
    const tensors = Object.entries(entries).filter(([, entry]) => entry.values !== undefined);
    expect(file.names().sort()).toEqual(tensors.map(([path]) => path.slice(1).replaceAll('/', '.')).sort());
    for (const group of shares_storage) {
      const storages = new Set(group.map((path) => (find(file, path) as PthTensor).storage));
      expect(storages.size).toBe(1);
    }
  });
});

describe('refused', () => {
  test.each(cases.filter(([, { ok }]) => ok === false))('%s', async (name) => {
    await expect(openPth(files.path(name))).rejects.toThrow(PthError);
  });
});
