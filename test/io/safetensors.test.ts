import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import {
  type HostDType,
  type HostTensor,
  hostTensor,
  openSafetensors,
  readSafetensors,
  SafetensorsError,
  toFloat32,
  writeSafetensors,
} from '../../src/io/index.ts';
import { bytesPerElement, elementCount, viewBytes } from '../../src/io/internal.ts';
import { fixture } from '../parity/fixtures.ts';

let folder = '';
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'safetensors-'));
});
afterEach(() => rm(folder, { recursive: true }));

interface Expected {
  ok: boolean | 'optional';
  why?: string;
  metadata?: Record<string, string>;
  entries?: Record<string, { dtype: string; shape: number[]; values: number[] }>;
}

describe('files of the reference library', () => {
  const data = fixture('pth-reader');
  const expected = Object.entries(data.json<Record<string, Expected>>('expected.json')).filter(([name]) =>
    name.endsWith('.safetensors'),
  );

  test.each(expected.filter(([, { ok }]) => ok === true))('%s loads', async (name, { entries = {}, metadata = {} }) => {
    const file = await openSafetensors(data.path(name));
    expect(Object.fromEntries(file.metadata)).toEqual(metadata);
    expect(new Set(file.names())).toEqual(new Set(Object.keys(entries).map((path) => path.slice(1))));
    for (const [path, { shape, values }] of Object.entries(entries)) {
      const tensor = await file.read(path.slice(1));
      expect(tensor.shape).toEqual(shape);
      expect(Array.from(toFloat32(tensor))).toEqual(values.map(Math.fround));
    }
  });

  test.each(expected.filter(([, { ok }]) => ok === false))('%s is refused', async (name) => {
    const before = process.memoryUsage().rss;
    await expect(openSafetensors(data.path(name))).rejects.toThrow(SafetensorsError);
    await expect(openSafetensors(data.path(name))).rejects.toThrow(name);
    expect(process.memoryUsage().rss - before).toBeLessThan(100e6);
  });
});

const floats = [
  'float64',
  'float32',
  'float16',
  'bfloat16',
  'float8_e4m3',
  'float8_e5m2',
  'float8_e8m0',
  'complex64',
] as const;
const whole = ['int64', 'int32', 'int16', 'int8', 'uint64', 'uint32', 'uint16', 'uint8', 'bool'] as const;
const hostDTypes: readonly HostDType[] = [...floats, ...whole];

/** A tensor of any dtype with any bytes. */
const anyTensor: fc.Arbitrary<HostTensor> = fc
  .tuple(fc.constantFrom(...hostDTypes), fc.array(fc.nat(4), { maxLength: 4 }))
  .chain(([dtype, shape]) => {
    const length = elementCount(shape) * bytesPerElement(dtype);
    return fc
      .uint8Array({ minLength: length, maxLength: length })
      .map((bytes) => hostTensor(dtype, shape, viewBytes(dtype, bytes.slice())));
  });

test('every dtype and shape survives a round trip bit for bit', async () => {
  const path = join(folder, 'any.safetensors');
  const names = fc.string({ minLength: 1 }).filter((name) => name !== '__metadata__');
  await fc.assert(
    fc.asyncProperty(
      fc.dictionary(names, anyTensor),
      fc.dictionary(fc.string(), fc.string()),
      async (all, metadata) => {
        await writeSafetensors(path, Object.entries(all), metadata);
        const read = await readSafetensors(path);
        expect(new Set(read.keys())).toEqual(new Set(Object.keys(all)));
        for (const [name, tensor] of Object.entries(all)) {
          expect(read.get(name)!.dtype).toBe(tensor.dtype);
          expect(read.get(name)!.shape).toEqual(tensor.shape);
          expect(bytes(read.get(name)!)).toEqual(bytes(tensor));
        }
        expect(Object.fromEntries((await openSafetensors(path)).metadata)).toEqual({ ...metadata });
      },
    ),
    { numRuns: 40 },
  );
});

function bytes({ data }: HostTensor): Uint8Array {
  return new Uint8Array(data.buffer.slice(data.byteOffset, data.byteOffset + data.byteLength) as ArrayBuffer);
}

describe('mapped tensors', () => {
  test('hold the same bits as read ones, wherever they lie in the file', async () => {
    const path = join(folder, 'mapped.safetensors');
    await fc.assert(
      fc.asyncProperty(fc.array(anyTensor, { maxLength: 6 }), async (tensors) => {
        await writeSafetensors(
          path,
          tensors.map((tensor, i) => [String(i), tensor] as const),
        );
        const file = await openSafetensors(path);
        for (const name of file.names()) expect(file.map(name)).toEqual(await file.read(name));
      }),
      { numRuns: 40 },
    );
  });

  test('are read where their place in the file is not aligned', async () => {
    const path = join(folder, 'odd.safetensors');
    const header = JSON.stringify({
      byte: { dtype: 'U8', shape: [1], data_offsets: [0, 1] },
      float: { dtype: 'F32', shape: [1], data_offsets: [1, 5] },
    });
    const length = Buffer.alloc(8);
    length.writeBigUInt64LE(BigInt(header.length));
    const float = Buffer.alloc(4);
    float.writeFloatLE(0.5);
    await writeFile(path, Buffer.concat([length, Buffer.from(header), Buffer.of(7), float]));
    const file = await openSafetensors(path);
    expect([...file.map('byte').data, ...file.map('float').data]).toEqual([7, 0.5]);
  });

  test('may be written to, and the file stays as it is', async () => {
    const path = join(folder, 'private.safetensors');
    await writeSafetensors(path, [['a', hostTensor('float32', [2], Float32Array.of(1, 2))]]);
    const file = await openSafetensors(path);
    file.map('a').data[0] = 9;
    expect(Array.from((await file.read('a')).data as Float32Array)).toEqual([1, 2]);
  });

  test('outlive the file they came from', async () => {
    const path = join(folder, 'gone.safetensors');
    await writeSafetensors(path, [['a', hostTensor('int32', [3], Int32Array.of(1, 2, 3))]]);
    const tensor = (await openSafetensors(path)).map('a');
    await rm(path);
    expect(Array.from(tensor.data as Int32Array)).toEqual([1, 2, 3]);
  });
});

test('entries that reuse memory hold one tensor after the other', async () => {
  const path = join(folder, 'reused.safetensors');
  await writeSafetensors(path, [
    ['a', hostTensor('float32', [2], Float32Array.of(1, 2))],
    ['b', hostTensor('float32', [1], Float32Array.of(3))],
  ]);
  const seen: number[][] = [];
  const buffers = new Set<ArrayBufferLike>();
  for await (const [, { data }] of (await openSafetensors(path)).entries({ reuse: true })) {
    seen.push(Array.from(data as Float32Array));
    buffers.add(data.buffer);
  }
  expect(seen).toEqual([[1, 2], [3]]);
  expect(buffers.size).toBe(1);
});

test('data of every tensor starts at a multiple of its element size', async () => {
  const path = join(folder, 'aligned.safetensors');
  await writeSafetensors(path, [
    ['byte', hostTensor('uint8', [3], new Uint8Array(3))],
    ['half', hostTensor('bfloat16', [1], new Uint16Array(1))],
    ['wide', hostTensor('float64', [2], new Float64Array(2))],
  ]);
  const file = await openSafetensors(path);
  for (const name of file.names()) {
    const { begin, dtype } = file.info(name);
    expect(begin % bytesPerElement(dtype)).toBe(0);
  }
});

test('a failing write leaves the old file and nothing else', async () => {
  const path = join(folder, 'kept.safetensors');
  const good = hostTensor('float32', [1], new Float32Array([7]));
  await writeSafetensors(path, [['a', good]]);
  const bad = { ...good, shape: [2] };
  await expect(writeSafetensors(path, [['a', bad]])).rejects.toThrow('needs 2 elements, received 1');
  await expect(
    writeSafetensors(path, [
      ['a', good],
      ['a', good],
    ]),
  ).rejects.toThrow('given twice');
  expect(await readdir(folder)).toEqual(['kept.safetensors']);
  expect((await readSafetensors(path)).get('a')!.data[0]).toBe(7);
});

test('an unknown tensor is named with the file', async () => {
  const path = join(folder, 'one.safetensors');
  await writeSafetensors(path, [['a', hostTensor('float32', [], new Float32Array(1))]]);
  const file = await openSafetensors(path);
  await expect(file.read('b')).rejects.toThrow('one.safetensors: no tensor "b"');
  expect(() => file.info('b')).toThrow('no tensor "b"');
});

test('a file cut after it was opened is refused', async () => {
  const path = join(folder, 'cut.safetensors');
  await writeSafetensors(path, [['a', hostTensor('float32', [4], new Float32Array(4))]]);
  const file = await openSafetensors(path);
  await writeFile(path, Buffer.alloc(20));
  await expect(file.read('a')).rejects.toThrow('has it been cut');
  expect(() => file.map('a')).toThrow('has it been cut');
});
