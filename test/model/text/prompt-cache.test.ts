import { mkdtemp, readdir, readFile, stat, truncate, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeEach, expect, test } from 'vitest';
import { hostTensor } from '../../../src/io/index.ts';
import { encoderIdentity, promptCache } from '../../../src/model/text/prompt-cache.ts';
import { testFolder } from '../../folder.ts';

const rows = hostTensor('float32', [2, 2], new Float32Array([1, 2, 3, 4]));
const tokens = [4, 5, 1];
const all = await testFolder('prompts');
let folder = '';
beforeEach(async () => {
  folder = await mkdtemp(join(all, 'one-'));
});

async function onlyFile(): Promise<string> {
  const [name] = await readdir(folder);
  return join(folder, name!);
}

test('keeps rows by prompt and encoder', async () => {
  const cache = promptCache(folder, 'one');
  expect(await cache.read('a cat', tokens)).toBeUndefined();
  await cache.write('a cat', tokens, rows);
  expect(await cache.read('a cat', tokens)).toEqual(rows);
  expect(await cache.read('a dog', tokens)).toBeUndefined();
  expect(await promptCache(folder, 'two').read('a cat', tokens)).toBeUndefined();
  expect(await cache.read('a cat', [4, 5, 6, 1])).toBeUndefined();
});

test.each([
  ['cut short', (path: string) => truncate(path, 100)],
  ['empty', (path: string) => truncate(path, 0)],
  [
    'changed in one bit',
    async (path: string) => {
      const bytes = await readFile(path);
      bytes[bytes.length - 1]! ^= 1;
      await writeFile(path, bytes);
    },
  ],
])('a file that is %s counts as absent and is written anew', async (_, damage) => {
  const cache = promptCache(folder, 'one');
  await cache.write('a cat', tokens, rows);
  await damage(await onlyFile());
  expect(await cache.read('a cat', tokens)).toBeUndefined();
  await cache.write('a cat', tokens, rows);
  expect(await cache.read('a cat', tokens)).toEqual(rows);
});

test('a folder that cannot be made keeps nothing and says nothing', async () => {
  await writeFile(join(folder, 'file'), '');
  const cache = promptCache(join(folder, 'file', 'inside'), 'one');
  await cache.write('a cat', tokens, rows);
  expect(await cache.read('a cat', tokens)).toBeUndefined();
});

test('an encoder is told by all bytes of its files, which are read once while nothing touches them', async () => {
  const [one, two] = [join(folder, 'one.bin'), join(folder, 'two.bin')];
  await writeFile(one, Buffer.alloc(5000, 1));
  await writeFile(two, Buffer.alloc(5000, 1));
  const cache = join(folder, 'cache');
  const first = await encoderIdentity(cache, [one]);
  expect(await encoderIdentity(cache, [two])).toBe(first); // the same content under another name
  const memory = await readFile(join(cache, 'encoders.json'), 'utf8');
  expect(await encoderIdentity(cache, [one])).toBe(first);
  expect(await readFile(join(cache, 'encoders.json'), 'utf8')).toBe(memory);
  const { atime, mtime } = await stat(one);
  const changed = Buffer.alloc(5000, 1);
  changed[4000] = 2;
  await writeFile(one, changed);
  await utimes(one, atime, mtime); // as copies that keep times do
  expect(await encoderIdentity(cache, [one])).not.toBe(first);
  expect(await encoderIdentity(cache, [one, two])).not.toBe(await encoderIdentity(cache, [one]));
  await writeFile(join(cache, 'encoders.json'), 'not JSON');
  expect(await encoderIdentity(cache, [two])).toBe(first);
});
