/** Files that were made or damaged to be read wrongly, to take memory without end, or to reach other files. */
import { execFileSync } from 'node:child_process';
import { copyFile, mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import sharp from 'sharp';
import { describe, expect, test } from 'vitest';
import {
  FfmpegError,
  openPth,
  openSafetensors,
  openShards,
  openVideo,
  PthError,
  readImage,
  readJsonObject,
  readSafetensors,
  readVideo,
  SafetensorsError,
  toFloat32,
} from '../../src/io/index.ts';
import { findFfmpeg } from '../../src/io/internal.ts';
import { testFolder } from '../folder.ts';
import { fixture } from '../parity/fixtures.ts';
import { archive, dictionary, op, tensor } from './pth-writer.ts';

const folder = await testFolder('hostile');
const given = (name: string): string => fileURLToPath(new URL(`cases/${name}`, import.meta.url));

/** Memory that a reading added to the process, in MiB. */
async function memoryOf(read: () => Promise<unknown>): Promise<number> {
  const before = process.resourceUsage().maxRSS;
  await read();
  return (process.resourceUsage().maxRSS - before) / 1024;
}

/** Reads all tensors of a PyTorch file. */
async function readAll(path: string): Promise<number[][]> {
  const values: number[][] = [];
  for await (const [, tensor] of (await openPth(path)).entries()) values.push(Array.from(toFloat32(tensor)));
  return values;
}

const one = { shape: [1], stride: [1] };
const floats = (...values: number[]) => new Uint8Array(Float32Array.from(values).buffer);

describe('weights that contradict themselves', () => {
  test('the intact file is read', async () => {
    expect((await readSafetensors(given('good.safetensors'))).size).toBeGreaterThan(0);
  });

  test.each([
    ['badcrc.pth', /record "archive\/data\/\d" has the checksum \w+, wanted \w+: the file is damaged/],
    ['swapoffsets.pth', /the directory places record "archive\/data\/0" where "archive\/data\/1" is/],
    ['dupflat.pth', /the name "a\.b" stands for two tensors/],
  ])('%s', async (name, message) => {
    await expect(readAll(given(name))).rejects.toThrow(PthError);
    await expect(readAll(given(name))).rejects.toThrow(message);
  });

  test.each([
    ['dup-swap.safetensors', openSafetensors, /the name "a" stands twice/],
    ['badutf8.safetensors', openSafetensors, /not UTF-8/],
    ['idxdup.safetensors.index.json', openShards, /the name "a" stands twice/],
  ] as const)('%s', async (name, open, message) => {
    await expect(open(given(name))).rejects.toThrow(SafetensorsError);
    await expect(open(given(name))).rejects.toThrow(message);
  });

  test('a damaged storage is refused however it is asked for, a whole one beside it is not', async () => {
    const path = join(folder, 'damaged.pth');
    const parts = { a: tensor('0', 2, { shape: [2], stride: [1] }), b: tensor('1', 1, one) };
    const bytes = archive({ 'm/data.pkl': dictionary(parts), 'm/data/0': floats(1, 2), 'm/data/1': floats(3) });
    bytes[bytes.indexOf(Buffer.from(floats(1, 2)))]! ^= 1;
    await writeFile(path, bytes);
    const file = await openPth(path);
    await expect(file.read('a')).rejects.toThrow('damaged');
    await expect(file.readRows('a', 1, 1)).rejects.toThrow('damaged');
    expect(() => file.map('a')).toThrow('damaged');
    expect(Array.from(toFloat32(await file.read('b')))).toEqual([3]);
  });

  test('a key twice, and an archive without checksums, as torch.save writes them where it is told to', async () => {
    const path = join(folder, 'keys.pth');
    const again = Buffer.concat([op.text('a'), tensor('0', 1, one), op.setItems, op.stop]);
    const data = Buffer.concat([dictionary({ a: tensor('0', 1, one) }).subarray(0, -2), again]);
    await writeFile(path, archive({ 'm/data.pkl': data, 'm/data/0': floats(1) }));
    await expect(openPth(path)).rejects.toThrow('the key "a" stands twice');
    await writeFile(
      path,
      archive({ 'm/data.pkl': dictionary({ a: tensor('0', 1, one) }), 'm/data/0': floats(1) }, { checksums: false }),
    );
    expect(await readAll(path)).toEqual([[1]]);
  });
});

describe('memory is a small multiple of the file', () => {
  test('one long key, used 8,000 times', async () => {
    const key = Buffer.concat([op.text('k'.repeat(1_000_000)), op.put(0)]);
    const uses = Array.from({ length: 8000 }, (_, i) =>
      Buffer.concat([op.text(String(i)), op.dict, op.get(0), op.get(1), Buffer.from('s')]),
    );
    const value = Buffer.concat([tensor('0', 1, one), op.put(1)]);
    const data = Buffer.concat([op.protocol, key, value, op.dict, op.mark, ...uses, op.setItems, op.stop]);
    const path = join(folder, 'stringbomb.pth');
    await writeFile(path, archive({ 'm/data.pkl': data, 'm/data/0': floats(1) }));
    const read = () => expect(openPth(path)).rejects.toThrow('a name has more than 16384 characters');
    expect(await memoryOf(read)).toBeLessThan(256);
  });

  test.each([
    ['marks', '(', /nested deeper than/],
    ['dictionaries', '}', /too much memory/],
    ['lists', ']', /too much memory|values at once/],
    ['nothings', 'N', /values at once/],
  ])('8 MB of %s', async (_, code, message) => {
    const path = join(folder, 'bomb.pth');
    await writeFile(path, archive({ 'm/data.pkl': Buffer.from(`\x80\x02${code.repeat(8e6)}.`, 'latin1') }));
    const read = () => expect(openPth(path)).rejects.toThrow(message);
    expect(await memoryOf(read)).toBeLessThan(4 * 8 + 256);
  });

  test('200,000 tensors are read', async () => {
    const entries = Array.from(
      { length: 200_000 },
      (_, i) => `"t${i}":{"dtype":"U8","shape":[0],"data_offsets":[0,0]}`,
    );
    const header = Buffer.from(`{${entries.join(',')}}`);
    const length = Buffer.alloc(8);
    length.writeBigUInt64LE(BigInt(header.length));
    const path = join(folder, 'many.safetensors');
    await writeFile(path, Buffer.concat([length, header]));
    let count = 0;
    for await (const _ of (await openSafetensors(path)).entries({ reuse: true })) count++;
    expect(count).toBe(200_000);
  });
});

test('pipes and folders are no files', async () => {
  const pipe = (ending: string): string => {
    const path = join(folder, `pipe${ending}`);
    execFileSync('mkfifo', [path]);
    return path;
  };
  await expect(openSafetensors(pipe('.safetensors'))).rejects.toThrow(/pipe\.safetensors is a pipe/);
  await expect(openPth(pipe('.pth'))).rejects.toThrow(/pipe\.pth is a pipe/);
  await expect(openVideo(pipe('.mp4'))).rejects.toThrow(/pipe\.mp4 is a pipe/);
  await expect(readImage(pipe('.png'))).rejects.toThrow(/pipe\.png is a pipe/);
  await expect(readJsonObject(pipe('.json'))).rejects.toThrow(/pipe\.json is a pipe/);
  await expect(openSafetensors(folder)).rejects.toThrow(/is a folder; wanted a file/);
});

describe('float8 and complex numbers', () => {
  const ofBytes = (dtype: 'float8_e4m3' | 'float8_e5m2') =>
    toFloat32({ dtype, shape: [256], data: Uint8Array.from({ length: 256 }, (_, i) => i) });

  test('all values of the fixture', async () => {
    const tables = await fixture('fp8-scaled').tensors('tables.safetensors');
    expect(ofBytes('float8_e4m3')).toEqual(tables.values('e4m3fn.decoded'));
    expect(ofBytes('float8_e5m2')).toEqual(tables.values('e5m2.decoded'));
  });

  test('E8M0 holds the powers of two of scales', () => {
    const data = Uint8Array.of(0, 126, 127, 128, 254, 255);
    const values = toFloat32({ dtype: 'float8_e8m0', shape: [6], data });
    expect(Array.from(values)).toEqual([2 ** -127, 0.5, 1, 2, 2 ** 127, Number.NaN]);
  });

  const saved = (kind: string, elements: number, dtype: string) => {
    const tuple = (...items: Buffer[]) => Buffer.concat([op.mark, ...items, op.tuple]);
    const storage = tuple(
      op.text('storage'),
      op.global(...(kind.split(' ') as [string, string])),
      op.text('0'),
      op.text('cpu'),
      op.integer(elements),
    );
    const hooks = Buffer.concat([op.global('collections', 'OrderedDict'), tuple(), op.reduce]);
    const rest = [op.integer(0), tuple(op.integer(2)), tuple(op.integer(1)), op.no, hooks];
    const untyped = dtype === '' ? [] : [op.global('torch', dtype)];
    const rebuild = op.global('torch._utils', dtype === '' ? '_rebuild_tensor_v2' : '_rebuild_tensor_v3');
    return dictionary({ w: Buffer.concat([rebuild, tuple(storage, op.persistent, ...rest, ...untyped), op.reduce]) });
  };

  test('of PyTorch, as torch.save names them', async () => {
    const path = join(folder, 'fp8.pth');
    const untyped = 'torch.storage UntypedStorage';
    await writeFile(
      path,
      archive({ 'm/data.pkl': saved(untyped, 2, 'float8_e4m3fn'), 'm/data/0': Uint8Array.of(0x38, 0xc0) }),
    );
    expect(await (await openPth(path)).read('w')).toMatchObject({ dtype: 'float8_e4m3', shape: [2] });
    expect(await readAll(path)).toEqual([[1, -2]]);
    await writeFile(
      path,
      archive({ 'm/data.pkl': saved(untyped, 2, 'float8_e4m3fnuz'), 'm/data/0': new Uint8Array(2) }),
    );
    await expect(openPth(path)).rejects.toThrow('a tensor of "float8_e4m3fnuz" cannot be read');
  });

  test('complex tensors keep their two parts', async () => {
    const path = join(folder, 'complex.pth');
    const data = saved('torch ComplexFloatStorage', 2, '');
    await writeFile(path, archive({ 'm/data.pkl': data, 'm/data/0': floats(1, 2, 3, 4) }));
    const tensor = await (await openPth(path)).read('w');
    expect(tensor).toEqual({ dtype: 'complex64', shape: [2], data: Float32Array.of(1, 2, 3, 4) });
    expect(() => toFloat32(tensor)).toThrow('complex64 has no float32 form');
  });
});

describe('videos', () => {
  test.each([
    ['mut10.webp', 16, 8],
    ['delay.gif', 2, 50],
  ])('%s has the frames that it holds', async (name, frames, fps) => {
    expect(await readVideo(given(name))).toMatchObject({ frames, fps, height: 64, width: 64 });
  });

  test('a clip larger than allowed is refused by its size', async () => {
    const reading = readVideo(given('mut10.webp'), { maxBytes: 3 * 4 * 64 * 64 * 3 });
    await expect(reading).rejects.toThrow(/a clip of more than 3 frames of 64 x 64 takes more than 147456 bytes/);
  });

  test('frames come one at a time, and reading may stop', async () => {
    const video = await openVideo(given('mut10.webp'));
    expect([video.height, video.width, video.fps]).toEqual([64, 64, 8]);
    let frames = 0;
    for await (const frame of video) {
      expect(frame.length).toBe(64 * 64 * 3);
      if (++frames === 2) break;
    }
    expect(frames).toBe(2);
  });
});

if ((await findFfmpeg()) !== null) {
  describe('videos by ffmpeg', () => {
    test.each(['hls1.mp4', 'ffconcat.mp4'])('%s, a list of other files, is refused', async (name) => {
      const place = join(folder, name.replace('.mp4', ''));
      await mkdir(join(place, 'outside'), { recursive: true });
      await copyFile(given(name), join(place, name));
      for (const other of ['other.mp4', 'outside/secret.mp4'])
        await copyFile(given('ten-bit-0.mp4'), join(place, other));
      const reading = readVideo(join(place, name));
      await expect(reading).rejects.toThrow(FfmpegError);
      await expect(reading).rejects.toThrow(name);
    });

    test('a name that reads as a protocol is a name', async () => {
      await copyFile(given('ten-bit-0.mp4'), join(folder, 'concat:a|b.mp4'));
      const before = process.cwd();
      process.chdir(folder);
      try {
        expect((await readVideo('concat:a|b.mp4')).frames).toBe(16);
      } finally {
        process.chdir(before);
      }
    });

    test('10 bits become 8, near the colours that cv2 and decord give', async () => {
      const clip = await readVideo(given('ten-bit-0.mp4'));
      expect(clip).toMatchObject({ frames: 16, height: 48, width: 64, fps: 16 });
      const means = [0, 1, 2].map((channel) => {
        const values = clip.data.filter((_, i) => i % 3 === channel);
        return (255 * values.reduce((sum, value) => sum + value, 0)) / values.length;
      });
      // cv2 5.0: 77.7, 60.7, 57.1; decord 0.6: 78.4, 59.8, 55.5: they place the chroma of 4:2:0 differently
      expect(means).toBeAllClose([78.1, 60.2, 56.3], { atol: 1.5 });
    });

    test('frames come one at a time, and reading may stop', async () => {
      const video = await openVideo(given('ten-bit-0.mp4'), { maxFrames: 5 });
      for await (const frame of video) {
        expect(frame.length).toBe(48 * 64 * 3);
        break;
      }
      const all = await openVideo(given('ten-bit-0.mp4'), { maxFrames: 5 });
      let frames = 0;
      for await (const _ of all) frames++;
      expect(frames).toBe(5);
      const unread = await openVideo(given('ten-bit-0.mp4'));
      await unread.close();
    });
  });
}

test('transparency is dropped as PIL drops it', async () => {
  const data = Buffer.from([200, 100, 50, 0, 10, 20, 30, 255]);
  const png = await sharp(data, { raw: { width: 2, height: 1, channels: 4 } })
    .png()
    .toBuffer();
  expect(Array.from((await readImage(png)).data)).toEqual([200, 100, 50, 10, 20, 30]);
});

test('a byte order mark before JSON is skipped', async () => {
  const path = join(folder, 'bom.json');
  await writeFile(path, '\ufeff{"a": 1}');
  expect(await readJsonObject(path)).toEqual({ a: 1 });
  expect((await readFile(path)).subarray(0, 3)).toEqual(Buffer.from([0xef, 0xbb, 0xbf]));
});
