/** `reward-forcing evaluate` as a user runs it. */
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import type { EvaluationSummary } from '../../src/evaluate/index.ts';
import { writeVideo } from '../../src/io/index.ts';
import { movingSquare } from '../evaluate/clips.ts';
import { cli, testFolder } from './run.ts';

const folder = await testFolder();
const videos = join(folder, 'videos');
await mkdir(videos);
await writeVideo(join(videos, 'a square runs-0.webp'), movingSquare(5, 32, 2), { enlarge: 1 });
await writeVideo(join(videos, 'a square crawls-0.webp'), movingSquare(5, 32, 0.5), { enlarge: 1 });
await writeFile(join(videos, 'a square breaks-0.webp'), 'no video');

test('writes lines, a summary, a table and a page, skips what is broken, and knows it all the second time', async () => {
  const out = join(folder, 'out');
  const results = join(folder, 'x_eval_results.json');
  await writeFile(results, JSON.stringify({ scene: [0.5, []] }));
  const args = ['evaluate', videos, '--out', out, '--results', results, '--engine', 'cpu'];
  const first = await cli(args);
  expect(first.code, first.err).toBe(0);
  expect(first.err).toMatch(/skipped a square breaks-0\.webp: .+/);
  expect(first.out).toMatch(/2 videos of 2 prompts, 1 broken and skipped/);
  expect(first.out).toMatch(/total not known \(no total without 15 of the 16 dimensions/);
  const summary = JSON.parse(await readFile(join(out, 'summary.json'), 'utf8')) as EvaluationSummary;
  expect(summary.measures.find(({ name }) => name === 'moving_lk')).toMatchObject({
    videos: 2,
    officialEquivalent: false,
  });
  expect(summary.vbench.rows.find(({ dimension }) => dimension === 'scene')).toMatchObject({
    status: 'imported',
    raw: 0.5,
  });
  const page = await readFile(join(out, 'report.html'), 'utf8');
  expect(page).toContain('a square runs');
  expect(page).toContain('needs weights: musiq_spaq_ckpt-358bb6af.pth');
  expect(page).toContain('Videos that could not be read');
  const lines = await readFile(join(out, 'videos.jsonl'), 'utf8');
  const fewer = await cli([...args, '--max-frames', '3']);
  expect(fewer.err).toMatch(/holds results of up to all frames of each video: evaluate into another folder/);
  const second = await cli(args);
  expect(second.out).toBe(first.out);
  expect(await readFile(join(out, 'videos.jsonl'), 'utf8')).toBe(lines);
});

test('where no video can be read, it says so and fails', async () => {
  const broken = join(folder, 'broken');
  await mkdir(broken);
  await writeFile(join(broken, 'a-0.webp'), 'no video');
  const { code, err } = await cli(['evaluate', broken, '--out', join(folder, 'none'), '--engine', 'cpu']);
  expect(code).toBe(1);
  expect(err).toMatch(/none of the 1 videos in .*broken could be read/);
});

test('the page shows no more frames than were read', async () => {
  const out = join(folder, 'short');
  const { code, err } = await cli(['evaluate', videos, '--out', out, '--max-frames', '2', '--engine', 'cpu']);
  expect(code, err).toBe(0);
  const page = await readFile(join(out, 'report.html'), 'utf8');
  expect(page).toContain('Of each video the first 2 frames were read.');
  expect(page).toContain('a square runs (0), 2 frames at 8 fps');
});

test.each([
  ['a folder that is not there', [join(folder, 'none')], /none/],
  ['an empty folder', [folder], /holds no video/],
  [
    'an unknown dimension',
    [videos, '--weights', folder, '--dimensions', 'beauty'],
    /no dimension "beauty": use subject/,
  ],
  [
    'a manifest that is no JSON',
    [videos, '--manifest', join(videos, 'a square breaks-0.webp')],
    /manifest .* is no JSON/,
  ],
  ['a list of prompts that is none', [videos, '--suite', join(folder, 'x.json')], /x\.json/],
  ['dimensions without weights', [videos, '--dimensions', 'scene'], /needs --weights FOLDER/],
  ['weights that are missing', [videos, '--weights', folder, '--dimensions', 'motion_smoothness'], /needs amt-s\.pth/],
  ['results that are none', [videos, '--results', videos], /no results of VBench/],
])('refuses %s', async (_, args, message) => {
  const { code, err } = await cli(['evaluate', ...args, '--out', join(folder, 'refused'), '--engine', 'cpu']);
  expect(code).not.toBe(0);
  expect(err).toMatch(message);
});
