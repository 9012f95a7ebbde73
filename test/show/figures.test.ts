import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import sharp from 'sharp';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { jupyterDisplay } from '../../src/display/index.ts';
import { hostTensor, readImage } from '../../src/io/index.ts';
import { spreadIndices } from '../../src/show/frames.ts';
import { clip, curve, type Figure, flow, frames, masks, score, table, wall } from '../../src/show/index.ts';
import { readPngText } from '../io/png-text.ts';
import { movingDisc } from './clips.ts';

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'show-'));
});
afterEach(async () => {
  vi.unstubAllEnvs();
  await rm(folder, { recursive: true });
});

const field = { u: Float32Array.of(1, 0, -1, 0), v: Float32Array.of(0, 1, 0, -1), height: 2, width: 2 };
const title = 'A <title> & more';
const provenance = { seed: 3 };

/** A new figure gets all tests by a row. */
const rows: { name: string; make: () => Figure; rich: boolean }[] = [
  { name: 'frames', make: () => frames({ 'a "b"': movingDisc() }, { title, provenance }), rich: false },
  { name: 'clip', make: () => clip({ 'a "b"': movingDisc() }, { title, provenance, codec: 'webp' }), rich: true },
  { name: 'wall', make: () => wall({ 'a "b"': [movingDisc(), movingDisc()] }, { title, provenance }), rich: true },
  { name: 'flow', make: () => flow({ 'a "b"': field }, { title, provenance }), rich: false },
  { name: 'curve', make: () => curve({ 'a "b"': [1, 3, 2] }, { title, provenance, xLabel: 'x < y' }), rich: false },
  { name: 'table', make: () => table([{ 'a "b"': 1, c: '<i>' }], { title, provenance }), rich: true },
  { name: 'score', make: () => score({ 'a "b"': 0.5 }, { title, provenance }), rich: false },
];

describe.each(rows)('$name', ({ make, rich }) => {
  test('answers a notebook with a bundle of strings and JSON', async () => {
    const made = make();
    const bundle = await made[jupyterDisplay]();
    expect(jupyterDisplay).toBe(Symbol.for('Jupyter.display'));
    expect(Object.hasOwn(bundle, 'text/html')).toBe(rich);
    expect(bundle['text/plain']).toBe(made.toText());
    expect(JSON.parse(JSON.stringify(bundle))).toEqual(bundle);
    const { width, height } = await readImage(Buffer.from(bundle['image/png'] as string, 'base64'));
    expect(Math.min(width, height)).toBeGreaterThan(40);
  });

  test('is HTML that loads nothing and keeps strange names as text', async () => {
    const html = await make().toHtml();
    expect(html.replaceAll('http://www.w3.org/2000/svg', '')).not.toMatch(/https?:|<script>|<link|@import/);
    expect(html).not.toContain('<title> &');
    expect(html).not.toContain('<i>');
  });

  test('is drawn once, with its provenance, and saved as .png and .html', async () => {
    const made = make();
    expect(await made.toPng()).toBe(await made.toPng());
    expect(Object.fromEntries(readPngText(await made.toPng()))).toMatchObject({
      seed: '3',
      Software: 'reward-forcing',
    });
    await made.save(join(folder, 'a.png'));
    await made.save(join(folder, 'a.html'));
    expect(await readFile(join(folder, 'a.png'))).toEqual(Buffer.from(await made.toPng()));
    expect(await readFile(join(folder, 'a.html'), 'utf8')).toContain('<!doctype html>');
    await expect(made.save(join(folder, 'a.pdf'))).rejects.toThrow('.png or .html');
  });

  test('the same data give the same picture', async () => {
    expect(await make().toPng()).toEqual(await make().toPng());
  });
});

describe('frames', () => {
  test('are spread from the first to the last', () => {
    expect(spreadIndices(81, 5)).toEqual([0, 20, 40, 60, 80]);
    expect(spreadIndices(3, 9)).toEqual([0, 1, 2]);
    expect(spreadIndices(9, 1)).toEqual([8]);
  });

  test('show the pixels of the clip, enlarged by a whole factor', async () => {
    const { data, width } = await readImage(await frames(movingDisc({ frames: 1 })).toPng());
    const colours = new Set<string>();
    for (let y = 24; y < 60; y++)
      for (let x = 24; x < 120; x++) colours.add(data.slice(3 * (y * width + x), 3 * (y * width + x) + 3).join());
    expect([...colours].sort()).toEqual(['229,102,51', '26,26,26']);
  });

  test('faults', () => {
    expect(() => frames([])).toThrow('none given');
    expect(() => frames(movingDisc(), { count: 0 })).toThrow('received 0');
  });
});

describe('clip', () => {
  test('is a video element where there is ffmpeg and an animated image otherwise', async () => {
    const html = await clip(movingDisc(), { codec: 'webp' }).toHtml();
    expect(html).toContain('data:image/webp;base64,');
    expect(html).toContain('data-codec="webp"');
  });

  test('clips are shown at the size that is asked for', async () => {
    const disc = movingDisc();
    const html = await clip(disc, { codec: 'webp', enlarge: 3 }).toHtml();
    expect(html).toContain(`width="${3 * disc.width}" height="${3 * disc.height}"`);
  });

  test('says size and rate in words', () => {
    expect(clip({ teacher: movingDisc() }, { title: 'T' }).toText()).toBe('T: teacher, 5 frames at 8 fps');
  });
});

describe('wall', () => {
  test('is one animation of all clips, the last frame staying longer', async () => {
    const disc = movingDisc();
    const path = join(folder, 'wall.webp');
    await wall({ before: [disc, disc], after: [disc, disc] }, { columns: ['left', 'right'] }).save(path);
    const { pages, delay = [], loop } = await sharp(path).metadata();
    expect({ pages, loop }).toEqual({ pages: disc.frames, loop: 0 });
    expect(delay.at(-1)).toBeGreaterThan(delay[0]!);
  });

  test('faults', async () => {
    const disc = movingDisc();
    expect(() => wall({})).toThrow(/no clips/);
    expect(() => wall({ one: [disc], two: [{ ...disc, fps: 2 * disc.fps }] })).toThrow(/one length and rate/);
    await expect(table([{ a: 1 }]).save(join(folder, 'table.webp'))).rejects.toThrow(/saved as .png or .html/);
  });
});

describe('table', () => {
  const data = [
    { model: 'a', reward: 0.12345, steps: 4 },
    { model: 'long name', reward: -0.5, steps: null },
    { model: 'c', reward: 0.00001, steps: 48 },
  ];

  test('reads as text in a terminal', () => {
    expect(table(data, { title: 'T' }).toText().split('\n')).toEqual([
      'T',
      'model       reward  steps',
      '---------  -------  -----',
      'a            0.123      4',
      'long name   −0.500      –',
      'c          1.00e-5     48',
    ]);
  });

  test('marks the best and takes the columns asked for', async () => {
    const html = await table(data, { columns: ['reward'], best: { reward: 'lowest' }, digits: 1 }).toHtml();
    expect(html).toMatch(/font-weight:700">−0\.5</);
    expect(html.match(/font-weight:700/g)).toHaveLength(1);
    expect(html).not.toContain('long name');
  });

  test('a table without columns is refused', () => {
    expect(() => table([])).toThrow('no columns');
  });
});

test('masks stand side by side at one size, and only square ones are drawn', () => {
  const mask = (side: number) => hostTensor('bool', [side, side], new Uint8Array(side * side));
  expect(masks([mask(3), mask(40)], { title: 'who sees whom' }).toText()).toBe(
    'who sees whom: frames of clip (2 × 96 × 96)',
  );
  expect(() => masks([hostTensor('bool', [2, 3], new Uint8Array(6))])).toThrow('mask: wanted [L, L], received [2,3]');
});

test('score says values and intervals in words', () => {
  const text = score({ reward: { value: 0.58, low: 0.5, high: 0.6 }, other: 1 }, { digits: 2, title: 'T' }).toText();
  expect(text).toBe('T: reward 0.58 [0.50, 0.60], other 1.00');
  expect(() => score({})).toThrow('none given');
});
