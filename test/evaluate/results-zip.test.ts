/** Zips as VBench's leaderboard takes them, honest and hostile ones. */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { strToU8, type Zippable, zipSync } from 'fflate';
import { describe, expect, test } from 'vitest';
import { DIMENSION_NAMES, importVBenchResults } from '../../src/evaluate/index.ts';
import { testFolder } from '../folder.ts';

const path = join(await testFolder('results-zip'), 'model.zip');

const json = (value: unknown): Uint8Array => strToU8(JSON.stringify(value));

/** Reads a zip of these files, after a change to its bytes. */
async function imported(files: Zippable, change: (bytes: Uint8Array) => Uint8Array = (bytes) => bytes) {
  await writeFile(path, change(zipSync(files)));
  return importVBenchResults(path);
}

test('files at the top and in a folder, keys with spaces, beside what people pack along', async () => {
  const { scores, totals, videos, sources } = await imported({
    'results_2026-01-01-00:00:00_eval_results.json': json({ scene: [0.5, []], 'human action': [0.9, []] }),
    'results_2026-01-02-00:00:00_eval_results.json': json({ scene: [0.6, [{ video_path: 'a-0.mp4' }]] }),
    'results_2026-01-01-00:00:00_full_info.json': json([{ prompt_en: 'a' }]),
    'ours/color.json': json({ color: 0.25 }),
    '__MACOSX/._color.json': new Uint8Array([1, 2]),
    '.DS_Store': new Uint8Array([0]),
    'readme.txt': strToU8('hello'),
  });
  expect(scores).toEqual({ scene: 0.6, human_action: 0.9, color: 0.25 });
  expect(totals.total).toBeNull();
  expect(videos.scene).toEqual([{ video_path: 'a-0.mp4' }]);
  expect(sources).toHaveLength(3);
});

test('a zip of all sixteen dimensions has a total', async () => {
  const files = DIMENSION_NAMES.map((name): [string, Uint8Array] => [`${name}.json`, json({ [name]: [0.5, []] })]);
  const { totals } = await imported(Object.fromEntries(files));
  expect(totals.missing).toEqual([]);
  expect(totals.total).not.toBeNull();
});

describe('refused:', () => {
  const honest = { 'scene_eval_results.json': json({ scene: [0.5, []] }) };

  test.each([['../scene.json'], ['a/../../scene.json'], ['/etc/scene.json'], ['C:/scene.json'], ['a\\scene.json']])(
    'a name that leads out, %s',
    async (name) => {
      await expect(imported({ [name]: json({ scene: [0.5, []] }) })).rejects.toThrow(/leads out of it/);
    },
  );

  /** Writes another unpacked size into the entry of the only file. */
  const claiming = (size: number) => (bytes: Uint8Array) => {
    const view = new DataView(bytes.buffer);
    view.setUint32(view.getUint32(bytes.length - 6, true) + 24, size, true);
    return bytes;
  };

  test('one that would unpack to more than anyone needs', async () => {
    await expect(imported(honest, claiming(2 ** 30))).rejects.toThrow(/unpack to more than 134217728 bytes/);
  });

  test('one that unpacks to more than it says', async () => {
    const large = json({ scene: [0.5, [{ note: 'x'.repeat(1e5) }]] });
    await expect(imported({ 'scene.json': large }, claiming(10))).rejects.toThrow(/scene\.json is not JSON/);
  });

  test('one with too many files', async () => {
    const files = Object.fromEntries(Array.from({ length: 4097 }, (_, i) => [`${i}.json`, new Uint8Array()]));
    await expect(imported(files)).rejects.toThrow(/more than 4096 files/);
  });

  test('one that says a file twice', async () => {
    const files = { 'a.json': honest['scene_eval_results.json'], 'b.json': honest['scene_eval_results.json'] };
    const renamed = (bytes: Uint8Array): Uint8Array => bytes.map((byte, i) => (isName(bytes, i) ? 97 : byte));
    const isName = (bytes: Uint8Array, i: number): boolean => bytes[i] === 98 && bytes[i + 1] === 46;
    await expect(imported(files, renamed)).rejects.toThrow(/"a\.json" is there twice/);
  });

  test('one that is cut short, at every length', async () => {
    const whole = zipSync(honest);
    for (let length = 0; length < whole.length; length++) {
      await expect(
        imported(honest, (bytes) => bytes.slice(0, length)),
        `${length} bytes`,
      ).rejects.toThrow(/cannot be read as a zip of VBench's results/);
    }
  });

  test('one without results, with a percentage, or with text that is none', async () => {
    await expect(imported({ 'readme.txt': strToU8('hello') })).rejects.toThrow(/holds no results of VBench/);
    await expect(imported({ 'a.json': json({ scene: [54.3, []] }) })).rejects.toThrow(/scene is 54\.3, no fraction/);
    await expect(imported({ 'a.json': strToU8('{"scene": [NaN]}') })).rejects.toThrow(/a\.json is not JSON/);
    await expect(imported({ 'a.json': new Uint8Array([0xff, 0xfe]) })).rejects.toThrow(/cannot be read/);
  });
});
