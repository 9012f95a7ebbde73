/** PyTorch files: views of storages, large archives, and whatever an attacker may write. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { openPth, PthError, type PthFile } from '../../src/io/index.ts';
import { archive, dictionary, legacy, op, scripted, tensor } from './pth-writer.ts';

let folder: string;

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'pth-'));
});

afterAll(() => rmSync(folder, { recursive: true }));

function save(bytes: Uint8Array): Promise<PthFile> {
  const path = join(folder, 'file.pth');
  writeFileSync(path, bytes);
  return openPth(path);
}

const floats = (...values: number[]) => new Uint8Array(Float32Array.from(values).buffer);
const pickled = (data: Buffer, storages: Record<string, Uint8Array> = {}) => ({
  'a/data.pkl': data,
  ...Object.fromEntries(Object.entries(storages).map(([key, bytes]) => [`a/data/${key}`, bytes])),
});
const six = { 0: floats(0, 1, 2, 3, 4, 5) };

describe('views of a storage', () => {
  test.each([
    ['as stored', { shape: [2, 3], stride: [3, 1] }, [0, 1, 2, 3, 4, 5]],
    ['transposed', { shape: [3, 2], stride: [1, 3] }, [0, 3, 1, 4, 2, 5]],
    ['offset and strided', { offset: 1, shape: [2], stride: [3] }, [1, 4]],
    ['expanded', { offset: 5, shape: [2, 2], stride: [0, 0] }, [5, 5, 5, 5]],
    ['a scalar', { offset: 2, shape: [], stride: [] }, [2]],
    ['empty', { shape: [0, 3], stride: [3, 1] }, []],
  ])('%s', async (_, view, values) => {
    const file = await save(archive(pickled(dictionary({ w: tensor('0', 6, view) }), six)));
    const { dtype, shape, data } = await file.read('w');
    expect([dtype, shape, Array.from(data as Float32Array)]).toEqual(['float32', view.shape, values]);
    expect(file.map('w')).toEqual({ dtype, shape, data });
  });

  test.each([0, 1, 2, 3])('mapped from a record that begins %i bytes later', async (shift) => {
    const view = { shape: [3, 2], stride: [1, 3] };
    const tensors = dictionary({ w: tensor('0', 6, { shape: [6], stride: [1] }), t: tensor('0', 6, view) });
    const file = await save(archive({ ['b'.repeat(shift + 1)]: floats(), ...pickled(tensors, six) }));
    for (const name of ['w', 't']) expect(file.map(name)).toEqual(await file.read(name));
    file.map('w').data[0] = 9; // private: the file stays as it is
    expect(Array.from((await file.read('w')).data as Float32Array)).toEqual([0, 1, 2, 3, 4, 5]);
  });

  test('entries that reuse memory hold the same values', async () => {
    const views = { whole: { shape: [6], stride: [1] }, end: { offset: 4, shape: [2], stride: [1] } };
    const tensors = Object.entries(views).map(([name, view]) => [name, tensor('0', 6, view)] as const);
    const file = await save(archive(pickled(dictionary(Object.fromEntries(tensors)), six)));
    const seen: number[][] = [];
    for await (const [, { data }] of file.entries({ reuse: true })) seen.push(Array.from(data as Float32Array));
    expect(seen).toEqual([
      [0, 1, 2, 3, 4, 5],
      [4, 5],
    ]);
  });

  test.each([
    ['beyond the storage', { offset: 4, shape: [3], stride: [1] }, /does not fit its storage of 6 elements/],
    ['backwards', { offset: 5, shape: [3], stride: [-1] }, /makes no sense/],
    ['with a stride too few', { shape: [2, 3], stride: [3] }, /makes no sense/],
    ['repeated a billion times', { shape: [1e5, 1e5], stride: [0, 0] }, /repeats 6 stored elements 10000000000 times/],
    ['of overflowing size', { shape: [2 ** 40, 2 ** 40], stride: [0, 0] }, /repeats/],
  ])('refused: %s', async (_, view, message) => {
    await expect(save(archive(pickled(dictionary({ w: tensor('0', 6, view) }), six)))).rejects.toThrow(message);
  });
});

describe('archives', () => {
  const view = { shape: [6], stride: [1] };
  const records = pickled(dictionary({ w: tensor('0', 6, view) }), six);

  test('with 64-bit sizes, as files beyond 4 GiB have', async () => {
    const file = await save(archive(records, { wide: true }));
    expect(Array.from((await file.read('w')).data as Float32Array)).toEqual([0, 1, 2, 3, 4, 5]);
  });

  test('nested checkpoints by key and by dotted name', async () => {
    const inner = dictionary({ w: tensor('0', 6, view) }).subarray(2, -1); // without protocol and stop
    const file = await save(archive(pickled(dictionary({ generator: inner, step: op.integer(3) }), six)));
    expect(file.names()).toEqual(['generator.w']);
    expect(file.at('generator').names()).toEqual(['w']);
    expect(file.has('generator.w')).toBe(true);
    expect(file.value).toBeInstanceOf(Map);
    expect((file.value as Map<string, unknown>).get('step')).toBe(3);
    expect(() => file.at('critic')).toThrow(/nothing is saved under "critic"/);
    expect(() => file.info('w')).toThrow(/no tensor "w" among 1/);
    const entries = [];
    for await (const entry of file.entries()) entries.push(entry[0]);
    expect(entries).toEqual(['generator.w']);
  });

  test('TorchScript: the tensors of its objects, beside compressed code that is not read', async () => {
    const part = scripted({ weight: tensor('0', 6, view), training: op.no });
    const value = Buffer.concat([op.protocol, scripted({ visual: part }), op.stop]);
    const file = await save(archive({ ...pickled(value, six), 'a/code/__torch__.py': Buffer.from('squeezed') }));
    expect(file.names()).toEqual(['visual.weight']);
    expect(Array.from((await file.read('visual.weight')).data as Float32Array)).toEqual([0, 1, 2, 3, 4, 5]);
  });

  test.each([
    ['compressed records', archive(records, { method: 8 }), /compressed or encrypted/],
    ['no data.pkl', archive({ 'a/other': floats(1) }), /no data\.pkl/],
    ['a cut file', archive(records).subarray(0, -30), /no ZIP directory/],
    ['big-endian data', archive({ ...records, 'a/byteorder': Buffer.from('big') }), /big-endian/],
    ['a storage that is not there', archive(pickled(records['a/data.pkl'])), /"a\/data\/0" is missing/],
    [
      'a short storage',
      archive(pickled(records['a/data.pkl'], { 0: floats(1) })),
      /has 4 bytes; its float32 elements need 24/,
    ],
    ['an empty file', new Uint8Array(0), /\(0 bytes\) is neither/],
    [
      'another format',
      Buffer.from('{"json": true}'),
      /\(14 bytes\) is neither a ZIP archive nor an older PyTorch file/,
    ],
  ])('refused: %s', async (_, bytes, message) => {
    const opened = save(bytes);
    await expect(opened).rejects.toThrow(PthError);
    await expect(opened).rejects.toThrow(message);
  });
});

describe('the format before PyTorch 1.6', () => {
  const view = { shape: [2], stride: [1] };
  const storages = { 7: Float32Array.of(1, 2), 8: Float32Array.of(3, 4) };
  const parts = { a: tensor('7', 2, view), b: tensor('8', 2, view) };

  test.each([10, 3_000_000])('is read and mapped behind names of %i bytes', async (bytes) => {
    const file = await save(legacy(dictionary({ note: op.text('n'.repeat(bytes)), ...parts }), storages));
    expect(file.names()).toEqual(['a', 'b']);
    expect(Array.from((await file.read('b')).data as Float32Array)).toEqual([3, 4]);
    for (const name of file.names()) expect(file.map(name)).toEqual(await file.read(name));
  });

  test('is refused where it is cut', async () => {
    const bytes = legacy(dictionary(parts), storages);
    await expect(save(bytes.subarray(0, -1))).rejects.toThrow(/storage "8" ends at byte \d+.*cut short/);
    await expect(save(bytes.subarray(0, 100))).rejects.toThrow(/bytes are wanted|does not end/);
  });
});

describe('pickles that want more than data', () => {
  const pickle = (...parts: Buffer[]) => save(archive(pickled(Buffer.concat([op.protocol, ...parts, op.stop]))));

  test('names outside the list are refused before anything is called', async () => {
    const evil = pickle(op.global('posix', 'system'), op.mark, op.text('echo'), op.tuple, op.reduce);
    await expect(evil).rejects.toThrow(/asks for posix\.system, which is not needed for tensors and may run code/);
  });

  test.each(['__proto__', 'constructor', 'toString'])('a class called %s is not found by accident', async (name) => {
    await expect(pickle(op.global('torch', name))).rejects.toThrow(/asks for torch/);
  });

  test('keys named as object members are plain keys', async () => {
    const file = await save(archive(pickled(dictionary({ __proto__x: op.integer(1), constructor: op.integer(2) }))));
    expect([...(file.value as Map<string, unknown>).keys()]).toEqual(['__proto__x', 'constructor']);
  });

  test('a list that holds itself', async () => {
    await expect(pickle(op.list, op.put(0), op.get(0), op.append)).rejects.toThrow(/may hold itself/);
  });

  test('lists that double at each level', async () => {
    const level = (i: number) => [op.list, op.put(i + 1), op.get(i), op.append, op.get(i), op.append];
    const levels = Array.from({ length: 40 }, (_, i) => level(i)).flat();
    await expect(pickle(op.list, op.put(0), ...levels)).rejects.toThrow(/more than 1000000 entries/);
  });

  test.each([
    ['a text longer than the file', Buffer.from([0x58, 0xff, 0xff, 0xff, 0x7f]), /bytes are wanted/],
    ['a number of a gigabyte', Buffer.from([0x8b, 0, 0, 0, 0x40]), /more than the 1024 accepted/],
    ['text that is not UTF-8', Buffer.from([0x8c, 1, 0xff]), /not UTF-8/],
    ['a memo that is empty', op.get(7), /nothing was stored under 7/],
    ['an item without a list', Buffer.concat([op.no, op.no, op.append]), /appended to a boolean/],
    ['a key that is a list', Buffer.concat([op.dict, op.mark, op.list, op.no, op.setItems]), /list is used as a key/],
    ['a call of a number', Buffer.concat([op.integer(1), op.list, op.reduce]), /a number is called/],
    ['an opcode that runs code', Buffer.from('i'), /opcode 0x69/],
    ['no mark', op.tuple, /no mark is set/],
    ['nothing', Buffer.alloc(0), /stack is empty/],
  ])('%s', async (_, bytes, message) => {
    await expect(pickle(bytes)).rejects.toThrow(message);
  });
});

test('changed bytes either read or are refused, never crash', async () => {
  const view = { shape: [3, 2], stride: [1, 3] };
  const data = dictionary({ w: tensor('0', 6, view), n: op.integer(5), l: Buffer.concat([op.list, op.no, op.append]) });
  const original = archive(pickled(data, six));
  const change = fc.record({ at: fc.nat(original.length - 1), to: fc.integer({ min: 0, max: 255 }) });
  const mutation = fc.record({ changes: fc.array(change, { maxLength: 4 }), keep: fc.integer({ min: 0, max: 100 }) });
  await fc.assert(
    fc.asyncProperty(mutation, async ({ changes, keep }) => {
      const bytes = Buffer.from(original);
      for (const { at, to } of changes) bytes[at] = to;
      try {
        const file = await save(keep < 90 ? bytes : bytes.subarray(0, Math.floor((bytes.length * keep) / 100)));
        for (const name of file.names()) {
          await file.read(name);
          file.map(name);
        }
      } catch (error) {
        expect(error).toBeInstanceOf(PthError);
      }
    }),
    { numRuns: 1000 },
  );
});
