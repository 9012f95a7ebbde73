import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeAll, expect, test } from 'vitest';
import { use } from '../../src/engine/index.ts';
import { teacher } from '../../src/train/index.ts';
import { collect, encodeText, forward, latents, temporaryFolder, wanWeights } from './small.ts';

beforeAll(async () => {
  await use('cpu');
});

const fixed = { data: latents, encodeText, lr: 1e-3, batch: 1, steps: 1, seed: 1 };
const run = (folder: string, unconditionalPrompt?: string) =>
  collect(
    teacher({
      ...fixed,
      teacher: { weights: wanWeights('teacher'), forward },
      folder,
      ...(unconditionalPrompt !== undefined && { unconditionalPrompt }),
    }),
  );

test('the prompt that stands for no text is among the recorded settings, and decides whether a run is continued', async () => {
  const folder = await temporaryFolder();
  await run(folder, 'blurry');
  const recorded = await readFile(join(folder, 'config.json'), 'utf8');
  expect(recorded).toContain('"unconditionalPrompt": "blurry"');
  await expect(run(folder, 'grey')).rejects.toThrow(/other settings \(.*unconditionalPrompt: "blurry" there/);
  await expect(run(folder)).rejects.toThrow(/other settings \(.*unconditionalPrompt: "blurry" there/);
});

test('the empty prompt, which is the default, is not recorded, so that older folders go on', async () => {
  const folder = await temporaryFolder();
  await run(folder, '');
  expect(await readFile(join(folder, 'config.json'), 'utf8')).not.toContain('unconditionalPrompt');
  await expect(run(folder)).resolves.toEqual([]);
});
