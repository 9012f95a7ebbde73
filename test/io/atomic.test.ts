import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { createClip, writeAtomic, writeVideo } from '../../src/io/index.ts';
import { prepareFolder } from '../../src/io/internal.ts';

let folder = '';
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'atomic-'));
});
afterEach(() => rm(folder, { recursive: true }));

test('writes texts, bytes and chunks', async () => {
  const path = join(folder, 'file');
  await writeAtomic(path, 'é');
  expect(await readFile(path, 'utf8')).toBe('é');
  await writeAtomic(path, new Uint8Array([65, 66]));
  expect(await readFile(path, 'utf8')).toBe('AB');
  await writeAtomic(path, [Buffer.from('one'), Buffer.from(''), Buffer.from('two')]);
  expect(await readFile(path, 'utf8')).toBe('onetwo');
});

test('a source that fails midway leaves the old content and no temporary file', async () => {
  const path = join(folder, 'file');
  await writeAtomic(path, 'old');
  function* broken(): Generator<Uint8Array> {
    yield Buffer.from('new');
    throw new Error('disk full');
  }
  await expect(writeAtomic(path, broken())).rejects.toThrow('disk full');
  expect(await readFile(path, 'utf8')).toBe('old');
  expect(await readdir(folder)).toEqual(['file']);
});

test('parallel writers of one file do not mix', async () => {
  const path = join(folder, 'file');
  const texts = Array.from({ length: 8 }, (_, i) => String(i).repeat(1000));
  await Promise.all(texts.map((text) => writeAtomic(path, text)));
  expect(texts).toContain(await readFile(path, 'utf8'));
  expect(await readdir(folder)).toEqual(['file']);
});

test('what stands in the way is named, and nothing is left behind', async () => {
  await expect(writeAtomic(folder, 'x')).rejects.toThrow(/a folder is in its place/);
  await expect(writeAtomic('/dev/full', 'x')).rejects.toThrow('cannot write /dev/full: a pipe, socket or device');
  await expect(writeAtomic(join(folder, 'none', 'a'), 'x')).rejects.toThrow(/cannot write .*: its folder is not there/);
  await writeFile(join(folder, 'a'), '');
  await expect(writeAtomic(join(folder, 'a', 'b'), 'x')).rejects.toThrow(/a part of the path is a file/);
  expect(await readdir(folder)).toEqual(['a']);
});

test('a folder is prepared without a trace', async () => {
  await prepareFolder(join(folder, 'a', 'b'));
  expect(await readdir(join(folder, 'a', 'b'))).toEqual([]);
  await writeFile(join(folder, 'file'), '');
  await expect(prepareFolder(join(folder, 'file', 'c'))).rejects.toThrow(/a part of the path is a file/);
});

test('a clip that is not finite is not written', async () => {
  const data = new Float32Array(2 * 16 * 16 * 3);
  data[16 * 16 * 3] = Number.NaN;
  const clip = createClip(data, { frames: 2, height: 16, width: 16, fps: 8 });
  await expect(writeVideo(join(folder, 'a.webp'), clip)).rejects.toThrow('received NaN in frame 1 of 2');
  expect(await readdir(folder)).toEqual([]);
});
