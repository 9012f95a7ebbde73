import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeAll, expect, test, vi } from 'vitest';
import { use } from '../../src/engine/index.ts';
import { tf } from '../../src/engine/tf.ts';
import { type DemoResults, MEASURES, runDemo, smokeDemo } from '../../src/study/index.ts';
import { shippedWeights, testFolder } from './chain.ts';

const folder = await testFolder();
const out = join(folder, 'out');
let weights: string;
let results: DemoResults;

beforeAll(async () => {
  await use('onnx', { threads: 1, spin: false });
  weights = await shippedWeights(folder);
  results = await runDemo({ weights, out, version: '1.2.3' });
}, 180_000);

test('results.json holds every measure of every student, the weights and the engine, and no times', async () => {
  const text = await readFile(join(out, 'results.json'), 'utf8');
  expect(JSON.parse(text)).toEqual(JSON.parse(JSON.stringify(results)));
  const titles = ['real clips', 'teacher', 'before phase 1', 'short phase 1', 'phase 1', 'short phase 2', 'phase 2'];
  expect(Object.keys(results.outcomes)).toEqual(titles);
  for (const outcome of Object.values(results.outcomes)) expect(Object.keys(outcome)).toEqual([...MEASURES]);
  expect(Object.values(results.weights.sha256)).toHaveLength(8);
  expect(results.engine).toMatchObject({ name: 'onnx', threads: 1, fallbacks: {} });
  expect(text).not.toMatch(/\d{4}-\d\d-\d\d|"(\w*(Ms|Time|Date)|time|date)"/);
});

test('real clips are told apart from noise by the measures', () => {
  const real = results.outcomes['real clips']!;
  expect(real.colour.estimate).toBe(1);
  expect(real.direction.estimate).toBe(1);
  expect(real.pxPerFrame.estimate).toBeGreaterThan(0.9);
});

test('two runs write the same results.json and leak no tensor', async () => {
  const before = tf.memory().numTensors;
  const again = join(folder, 'again');
  await runDemo({ weights, out: again, version: '1.2.3' });
  const [a, b] = await Promise.all([out, again].map((path) => readFile(join(path, 'results.json'), 'utf8')));
  expect(a).toBe(b);
  expect(tf.memory().numTensors).toBe(before);
}, 60_000);

test('the report carries every section and asks nothing of the network', async () => {
  const page = await readFile(join(out, 'report.html'), 'utf8');
  for (const title of ['The method', 'The teacher', 'From noise to clip', 'Motion', 'What was measured']) {
    expect(page).toContain(`<h2>${title}</h2>`);
  }
  expect(page).toContain(results.weights.sha256['teacher']!.slice(0, 16));
  expect(page.replaceAll('http://www.w3.org/2000/svg', '')).not.toMatch(/https?:|<script|<link/);
});

test('clips are named by student and prompt; without ffmpeg they are WebP, which is announced', async () => {
  vi.stubEnv('PATH', '');
  vi.stubEnv('FFMPEG_BIN', '');
  const bare = join(folder, 'bare');
  const notices: string[] = [];
  const { codec } = await runDemo({ weights, out: bare, version: '1', onNotice: (text) => notices.push(text) });
  vi.unstubAllEnvs();
  const isBundled = codec === 'h264';
  expect(notices.join()).toMatch(isBundled ? /^$/ : /no ffmpeg.*WebP/);
  const names = await readdir(join(bare, 'clips'));
  expect(names).toHaveLength(6 * smokeDemo.shown);
  expect(names).toContain(`phase-2-a-red-digit-zero-moves-left-slowly.${isBundled ? 'mp4' : 'webp'}`);
}, 60_000);

test('an abort stops it at once, with nothing half-written', async () => {
  const stopped = join(folder, 'stopped');
  const controller = new AbortController();
  const onProgress = ({ stage }: { stage: string }): void => {
    if (stage === 'phase 1') controller.abort(new Error('enough'));
  };
  const run = runDemo({ weights, out: stopped, version: '1', onProgress, signal: controller.signal });
  await expect(run).rejects.toThrow('enough');
  expect(await readdir(stopped)).toEqual(['clips']);
  expect(await readdir(join(stopped, 'clips'))).toEqual([]);
});

test('a changed byte in the weights is found before any work', async () => {
  const path = join(weights, 'ode.safetensors');
  const bytes = await readFile(path);
  const changed = Buffer.from(bytes);
  changed[changed.length - 3]! ^= 1;
  await writeFile(path, changed);
  await expect(runDemo({ weights, out, version: '1' })).rejects.toThrow(
    /ode\.safetensors has sha256 .* the manifest says/,
  );
  await writeFile(path, bytes);
});
