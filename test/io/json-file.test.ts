import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { readJsonObject } from '../../src/io/index.ts';
import { testFolder } from '../folder.ts';

const folder = await testFolder('json-file');

test.each([
  ['cut.json', '{"model": {"type": "Uni', /cut\.json is no JSON \(.*\); has it been copied whole\?$/],
  ['empty.json', '', /empty\.json is no JSON/],
  ['list.json', '[1]', /list\.json: wanted a JSON object/],
  ['null.json', 'null', /null\.json: wanted a JSON object/],
])('%s is refused by its name', async (name, text, message) => {
  const path = join(folder, name);
  await writeFile(path, text);
  await expect(readJsonObject(path)).rejects.toThrow(message);
});

test('an object is read', async () => {
  const path = join(folder, 'whole.json');
  await writeFile(path, '{"a": [1, "ü"]}');
  expect(await readJsonObject(path)).toEqual({ a: [1, 'ü'] });
});
