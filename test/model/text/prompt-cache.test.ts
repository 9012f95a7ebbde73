import { mkdtemp, readdir, readFile, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeEach, expect, test } from 'vitest';
import { hostTensor } from '../../../src/io/index.ts';
import { promptCache } from '../../../src/model/internal.ts';
import { testFolder } from '../../folder.ts';

const rows = hostTensor('float32', [2, 2], new Float32Array([1, 2, 3, 4]));
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
  expect(await cache.read('a cat')).toBeUndefined();
  await cache.write('a cat', rows);
  expect(await cache.read('a cat')).toEqual(rows);
  expect(await cache.read('a dog')).toBeUndefined();
  expect(await promptCache(folder, 'two').read('a cat')).toBeUndefined();
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
  await cache.write('a cat', rows);
  await damage(await onlyFile());
  expect(await cache.read('a cat')).toBeUndefined();
  await cache.write('a cat', rows);
  expect(await cache.read('a cat')).toEqual(rows);
});

test('a folder that cannot be made keeps nothing and says nothing', async () => {
  await writeFile(join(folder, 'file'), '');
  const cache = promptCache(join(folder, 'file', 'inside'), 'one');
  await cache.write('a cat', rows);
  expect(await cache.read('a cat')).toBeUndefined();
});
