/** The demo through the built command line: the quickstart notebook on weights of the smoke recipe. */
import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeAll, expect, test } from 'vitest';
import { type Notebook, readNotebook } from '../../kernel/notebook/document.ts';
import { use } from '../../src/engine/index.ts';
import type { DemoResults } from '../../src/study/index.ts';
import { worldOf } from '../../src/world/internal.ts';
import { cli, type Ended } from '../cli/run.ts';
import { testFolder } from '../folder.ts';
import { shippedWeights, smokeRecipe } from './chain.ts';

const folder = await testFolder('demo');
const out = join(folder, 'out');
let weights: string;
let ended: Ended;
let results: DemoResults;

const demo = (to: string): Promise<Ended> => cli(['demo', '--out', to, '--weights', weights, '--threads', '1']);

beforeAll(async () => {
  await use('onnx', { threads: 1, spin: false });
  weights = await shippedWeights(folder);
  ended = await demo(out);
  expect(ended.code, ended.err).toBe(0);
  results = JSON.parse(await readFile(join(out, 'results.json'), 'utf8')) as DemoResults;
}, 400_000);

test('results.json holds every measure of every student, the weights and the engine, and no times', async () => {
  const titles = ['real clips', 'teacher', 'before phase 1', 'short phase 1', 'phase 1', 'short phase 2', 'phase 2'];
  expect(Object.keys(results.outcomes)).toEqual(titles);
  const measures = worldOf(smokeRecipe.world).measures.map(({ id }) => id);
  for (const outcome of Object.values(results.outcomes)) expect(Object.keys(outcome)).toEqual(measures);
  expect(Object.keys(results.differences)).toContain('phase 2 - phase 1');
  expect(Object.values(results.weights.sha256)).toHaveLength(8);
  expect(results.engine).toMatchObject({ name: 'onnx', threads: 1, fallbacks: {} });
  expect(JSON.stringify(results)).not.toMatch(/\d{4}-\d\d-\d\d|"(\w*(Ms|Time|Date)|time|date)"/);
});

test('real clips are told apart from noise by the measures', () => {
  const real = results.outcomes['real clips']!;
  expect(real['colour']!.estimate).toBe(1);
  expect(real['direction']!.estimate).toBe(1);
  expect(real['pxPerFrame']!.estimate).toBeGreaterThan(0.9);
});

test('cells and their progress go to standard error, what was found to standard output', () => {
  expect(ended.err).toMatch(/^cell 1 of \d+: Can a reward/m);
  expect(ended.err).toMatch(/^cell \d+ of \d+: Phase 2/m);
  expect(ended.out).toMatch(/^phase 2 minus phase 1 over 2 prompts x 1 seeds/);
  for (const name of ['report.html', '00-quickstart.ipynb', 'results.json', 'clips'])
    expect(ended.out).toContain(join(out, name));
});

test('the folder holds the page, the executed notebook, the picture and the clips, and nothing aside', async () => {
  const names = ['00-quickstart.ipynb', 'clips', 'report.html', 'result.png', 'results.json'];
  expect((await readdir(out)).sort()).toEqual(names);
  const clips = await readdir(join(out, 'clips'));
  expect(clips).toHaveLength(6);
  const extension = results.codec === 'h264' ? 'mp4' : 'webp';
  expect(clips).toContain(`phase-2-a-red-digit-zero-moves-left-slowly.${extension}`);
  const notebook: Notebook = readNotebook(join(out, '00-quickstart.ipynb'));
  expect(notebook.metadata['reward_forcing']).toMatchObject({ engine: { name: 'onnx' }, parameters: { prompts: 2 } });
});

test('the page carries every section and asks nothing of the network', async () => {
  const page = await readFile(join(out, 'report.html'), 'utf8');
  expect(page).toContain('<title>Can a reward teach');
  for (const title of ['The world', 'Trajectories', 'Phase 1', 'Phase 2', 'What was measured', 'The answer'])
    expect(page).toMatch(new RegExp(`<h[23]>${title}`));
  const still = page.replace(/<script(?: type="[^"]*")?>[\s\S]*?<\/script>/g, ''); // charts come with their own script
  expect(still).not.toMatch(/<script|<link |(?:src|href)="https?:/);
});

test('two runs write the same results.json', async () => {
  const again = join(folder, 'again');
  expect((await demo(again)).code).toBe(0);
  const [a, b] = await Promise.all([out, again].map((path) => readFile(join(path, 'results.json'), 'utf8')));
  expect(a).toBe(b);
}, 240_000);

test('Ctrl-C while a cell computes ends it with 130 and leaves nothing', async () => {
  const stopped = join(folder, 'stopped');
  const args = ['demo', '--out', stopped, '--weights', weights, '--threads', '1'];
  let isSent = false;
  const { code, err } = await cli(args, {
    during: (child, text) => {
      if (!isSent && /: Trajectories/.test(text)) isSent = child.kill('SIGINT');
    },
  });
  expect(code).toBe(130);
  expect(err).not.toMatch(/\n +at /);
  expect(await readdir(stopped)).toEqual([]);
}, 240_000);

test('a changed byte in the weights is found before any work', async () => {
  const path = join(weights, 'ode.safetensors');
  const bytes = await readFile(path);
  const changed = Buffer.from(bytes);
  changed[changed.length - 3]! ^= 1;
  await writeFile(path, changed);
  const { code, err } = await demo(join(folder, 'changed'));
  await writeFile(path, bytes);
  expect(code).toBe(1);
  expect(err).toMatch(/ode\.safetensors has sha256 .* the manifest says/);
  expect(err).not.toContain('cell 1 of');
});
