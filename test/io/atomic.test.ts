import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { writeAtomic } from '../../src/io/index.ts';

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
