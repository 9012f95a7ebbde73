import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { hostTensor, openShards, SafetensorsError, writeSafetensors } from '../../src/io/index.ts';

let folder = '';
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'shards-'));
  const value = (x: number) => hostTensor('float32', [1], new Float32Array([x]));
  await writeSafetensors(join(folder, 'm-1.safetensors'), [
    ['a', value(1)],
    ['unlisted', value(0)],
  ]);
  await writeSafetensors(join(folder, 'm-2.safetensors'), [['b', value(2)]]);
});
afterEach(() => rm(folder, { recursive: true }));

async function index(content: unknown): Promise<string> {
  const path = join(folder, 'm.safetensors.index.json');
  await writeFile(path, typeof content === 'string' ? content : JSON.stringify(content));
  return path;
}

test('several files read as one', async () => {
  const weight_map = { b: 'm-2.safetensors', a: 'm-1.safetensors' };
  const file = await openShards(await index({ metadata: { total_size: 8 }, weight_map }));
  expect(file.names()).toEqual(['b', 'a']);
  expect(file.has('unlisted')).toBe(false);
  expect((await file.read('b')).data[0]).toBe(2);
  expect(file.info('a').shape).toEqual([1]);
  expect(file.metadata.get('total_size')).toBe('8');
  const all: string[] = [];
  for await (const [name] of file.entries()) all.push(name);
  expect(all.sort()).toEqual(['a', 'b']);
  await expect(async () => file.read('c')).rejects.toThrow('no tensor "c" among 2');
});

test.each([
  ['{', 'not valid JSON'],
  ['[]', 'not a JSON object'],
  ['{"weight_map":{"a":"m-1.safetensors","a":"m-2.safetensors"}}', 'the name "a" stands twice'],
  [{}, 'no "weight_map"'],
  [{ weight_map: { a: '../m-1.safetensors' } }, 'beside the index'],
  [{ weight_map: { a: 7 } }, 'beside the index'],
  [{ weight_map: { c: 'm-1.safetensors' } }, 'no tensor "c"'],
])('index %j is refused', async (content, message) => {
  const opening = openShards(await index(content));
  await expect(opening).rejects.toThrow(SafetensorsError);
  await expect(opening).rejects.toThrow(message);
});

test.each(['weight_map', 'x'])('an index nested without end under %s is refused', async (field) => {
  await expect(openShards(await index(`{"${field}":${'['.repeat(1e6)}`))).rejects.toThrow('nesting deeper than 64');
});
