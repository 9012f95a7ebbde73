/** Evaluating a folder: what is read, what is known after a kill, what a broken video does. */
import { appendFile, copyFile, mkdir, readFile, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { beforeAll, expect, test } from 'vitest';
import {
  type EvaluateProgress,
  evaluateVideos,
  listVideos,
  type MeasuredValues,
  type MeasureGroup,
  type OpenMeasures,
  summariseVideos,
  type VideoResult,
  weightFreeMeasures,
} from '../../src/evaluate/index.ts';
import { promptOfName, readVBenchSuite, underSuite } from '../../src/evaluate/run/videos.ts';
import { measured } from '../../src/evaluate/vbench/watch.ts';
import { type Clip, writeVideo } from '../../src/io/index.ts';
import { findFfmpeg } from '../../src/io/internal.ts';
import { testFolder } from '../folder.ts';
import { movingSquare } from './clips.ts';

const root = await testFolder('evaluate');
const folder = join(root, 'videos');

beforeAll(async () => {
  await mkdir(folder);
  await writeVideo(join(folder, 'a square runs-0.webp'), movingSquare(8, 48, 3), { enlarge: 1 });
  await copyFile(join(folder, 'a square runs-0.webp'), join(folder, 'a square runs-1.webp'));
  await writeVideo(join(folder, 'a square rests-0.webp'), movingSquare(8, 48, 1), { enlarge: 1 });
  await writeFile(join(folder, 'a broken one-0.webp'), 'no video');
  await writeFile(join(folder, 'notes.txt'), 'not a video');
});

/** Counts its calls; its value is the number of frames, and it refuses prompts with "rests". */
function counting(): MeasureGroup & { calls: number } {
  return {
    calls: 0,
    columns: [{ name: 'length', variant: 'frames', officialEquivalent: false, better: null }],
    async open() {
      const start: OpenMeasures['start'] = ({ prompt }) => {
        this.calls++;
        if (prompt.includes('rests')) throw new RangeError('nothing moves');
        let frames = 0;
        const see = (): void => void frames++;
        return { see, result: () => ({ values: { length: { score: frames, weight: 1 } }, notes: {} }) };
      };
      return { start, dispose: () => {} };
    },
  };
}

/** Values of a clip by the columns of a group. */
async function valuesOf(group: MeasureGroup, clip: Clip): Promise<MeasuredValues['values']> {
  const { start } = await group.open();
  return (await measured(clip, (video) => start({ ...video, prompt: '' }))).values;
}

async function finish(run: AsyncGenerator<EvaluateProgress, VideoResult[], void>): Promise<VideoResult[]> {
  for (;;) {
    const next = await run.next();
    if (next.done) return next.value;
  }
}

test('prompts come from names or from a manifest', async () => {
  expect(promptOfName('a cat, at 3-4 pm.-12.mp4')).toEqual({ prompt: 'a cat, at 3-4 pm.', seed: 12 });
  expect(promptOfName('a cat.mp4')).toEqual({ prompt: 'a cat', seed: 0 });
  expect((await listVideos(folder)).map(({ prompt, seed }) => [prompt, seed])).toEqual([
    ['a broken one', 0],
    ['a square rests', 0],
    ['a square runs', 0],
    ['a square runs', 1],
  ]);
  const manifest = join(root, 'manifest.json');
  await writeFile(
    manifest,
    JSON.stringify({ 'x-3.mp4': 'a dog', 'y.mp4': { prompt: 'a cow', seed: 's', style: 'pixel art' } }),
  );
  expect(await listVideos(folder, manifest)).toEqual([
    { file: 'x-3.mp4', prompt: 'a dog', seed: 3 },
    { file: 'y.mp4', prompt: 'a cow', seed: 's', style: 'pixel art' },
  ]);
  await writeFile(manifest, JSON.stringify([{ file: 'x.mp4' }]));
  await expect(listVideos(folder, manifest)).rejects.toThrow(/entry 0: wanted/);
  await expect(listVideos(root)).rejects.toThrow(/holds no video/);
});

test('manifests as people have them: a byte order mark, JSON Lines, absolute paths', async () => {
  expect(await listVideos(folder, fileURLToPath(new URL('cases/man_bom.json', import.meta.url)))).toEqual([
    { file: 'a.mp4', prompt: 'a cat', seed: 0 },
  ]);
  const manifest = join(root, 'manifest.jsonl');
  const absolute = join(folder, 'a square runs-1.webp');
  const lines = [{ file: absolute, prompt: 'a dog' }, { 'b-2.mp4': 'a cow' }].map((line) => JSON.stringify(line));
  await writeFile(manifest, `${lines.join('\r\n')}\r\n`);
  const listed = await listVideos(folder, manifest);
  expect(listed).toEqual([
    { file: absolute, prompt: 'a dog', seed: 1 },
    { file: 'b-2.mp4', prompt: 'a cow', seed: 2 },
  ]);
  const options = { folder: root, groups: [counting()], journal: join(root, 'absolute.jsonl') };
  const [read] = await finish(evaluateVideos({ ...options, videos: listed.slice(0, 1) }));
  expect(read!.values).toMatchObject({ length: { score: 8 } });
  await writeFile(manifest, JSON.stringify({ file: 'x.mp4', prompt: 'a dog' }));
  expect(await listVideos(folder, manifest)).toEqual([{ file: 'x.mp4', prompt: 'a dog', seed: 0 }]);
});

test('what a Mac leaves beside a video is none', async () => {
  const mac = join(root, 'mac');
  await mkdir(mac);
  for (const name of ['a-0.mp4', '._a-0.mp4']) await writeFile(join(mac, name), '');
  expect((await listVideos(mac)).map(({ file }) => file)).toEqual(['a-0.mp4']);
});

/** Two frames of any rate, as a picture that moves and, where there is an ffmpeg, as a film. */
const shortClips: [string, () => Promise<string>][] = [
  [
    'animated WebP',
    async () => {
      const file = join(root, 'two-0.webp');
      await writeVideo(file, movingSquare(2, 48, 3, 24), { enlarge: 1 });
      return file;
    },
  ],
];
if ((await findFfmpeg()) !== null) {
  shortClips.push(['MP4', async () => fileURLToPath(new URL('cases/two-frames-0.mp4', import.meta.url))]);
}

test.each(shortClips)('a clip of two frames has every measure that two frames allow, %s', async (name, make) => {
  const videos = [{ file: await make(), prompt: 'two', seed: 0 }];
  const options = { folder, videos, groups: [weightFreeMeasures()], journal: join(root, `two ${name}.jsonl`) };
  const [result] = await finish(evaluateVideos(options));
  const { values = {}, notes = {} } = result!;
  const needsThree = ['flow_interp_smoothness', 'blend_smoothness', 'brightness_flicker', 'jerk'];
  expect(Object.keys(notes).sort()).toEqual([...needsThree].sort());
  for (const name of needsThree) expect(notes[name]).toMatch(/three|four/);
  const given = Object.keys(values).filter((name) => values[name] !== null);
  expect(given).toEqual(
    expect.arrayContaining(['moving_lk', 'motion_lk', 'flicker_unfiltered', 'still_share', 'saturated']),
  );
});

test('videos are read once for all measures, and however long they are, one frame after the other', async () => {
  const [long, seen] = [join(root, 'long'), new Set<Uint8Array>()];
  await mkdir(long);
  await writeVideo(join(long, 'a-0.webp'), movingSquare(40, 32, 1), { enlarge: 1 });
  const group = (name: string): MeasureGroup => ({
    columns: [{ name, variant: '', officialEquivalent: false, better: null }],
    open: async () => ({
      start: () => {
        let frames = 0;
        return {
          see: (frame) => {
            seen.add(frame);
            frames++;
          },
          result: () => ({ values: { [name]: { score: frames, weight: 1 } }, notes: {} }),
        };
      },
      dispose: () => {},
    }),
  });
  const options = { folder: long, videos: await listVideos(long), journal: join(root, 'long.jsonl') };
  const [result] = await finish(evaluateVideos({ ...options, groups: [group('a'), group('b')] }));
  expect(result!.values).toMatchObject({ a: { score: 40 }, b: { score: 40 } });
  expect(seen.size).toBe(40); // the very frames of one reading
});

test('goes on after a kill, drops a torn line, and measures changed files anew', async () => {
  const [journal, group] = [join(root, 'videos.jsonl'), counting()];
  const videos = await listVideos(folder);
  const options = { folder, videos, groups: [group], journal };
  const first = evaluateVideos(options);
  await first.next();
  await first.next();
  await first.return([]);
  expect(group.calls).toBe(1); // the broken one is never measured
  await appendFile(journal, '{"file":"a square runs-0.webp","val');
  const known: boolean[] = [];
  const again = evaluateVideos(options);
  for (let next = await again.next(); !next.done; next = await again.next()) known.push(next.value.known);
  expect(known).toEqual([true, true, false, false]);
  expect(group.calls).toBe(3);
  const lines = (await readFile(journal, 'utf8')).trim().split('\n');
  expect(lines).toHaveLength(5);
  for (const line of lines) expect(() => JSON.parse(line)).not.toThrow();
  await utimes(join(folder, 'a square runs-1.webp'), 1, 1);
  await finish(evaluateVideos(options));
  expect(group.calls).toBe(4);
  const other = { ...group, columns: [{ ...group.columns[0]!, variant: 'other' }] };
  await expect(finish(evaluateVideos({ ...options, groups: [other] }))).rejects.toThrow(/results of other measures/);
});

test('a broken or missing video and a failed measure are noted and count nowhere', async () => {
  const group = counting();
  const videos = [...(await listVideos(folder)), { file: 'gone-0.webp', prompt: 'gone', seed: 0 }];
  const results = await finish(evaluateVideos({ folder, videos, groups: [group], journal: join(root, 'b.jsonl') }));
  expect(results[1]).toMatchObject({ values: { length: null }, notes: { length: 'nothing moves' } });
  const summary = summariseVideos(results, group.columns);
  expect(summary.broken.map(({ file }) => file)).toEqual(['a broken one-0.webp', 'gone-0.webp']);
  expect(summary.measures).toMatchObject([{ name: 'length', value: 8, videos: 2, prompts: 1, interval: null }]);
  expect(summary.vbench.rows).toHaveLength(16);
  expect(summary.vbench.totals.total).toBeNull();
});

test('an abort stops between two videos', async () => {
  const controller = new AbortController();
  const run = evaluateVideos({
    folder,
    videos: await listVideos(folder),
    groups: [counting()],
    journal: join(root, 'c.jsonl'),
    signal: controller.signal,
  });
  await run.next();
  controller.abort();
  await expect(run.next()).rejects.toThrow(/abort/);
});

test('measures without weights tell a moving clip from a still one', async () => {
  const group = weightFreeMeasures();
  const moving = await valuesOf(group, movingSquare(7, 48, 2));
  const still = await valuesOf(group, movingSquare(7, 48, 0));
  expect(Object.keys(moving)).toEqual(group.columns.map(({ name }) => name));
  expect([moving['moving_lk']?.score, still['moving_lk']?.score]).toEqual([1, 0]);
  expect(still['flow_interp_smoothness']?.score).toBeGreaterThan(0.995);
  expect(moving['flow_interp_smoothness']!.score).toBeGreaterThan(moving['blend_smoothness']!.score);
  expect(still['motion_decay']).toBeNull();
  expect(group.columns.some(({ officialEquivalent }) => officialEquivalent)).toBe(false);
});

test('large frames are shrunk and fast clips thinned before flow is estimated', async () => {
  const group = weightFreeMeasures({ side: 32 });
  const small = await valuesOf(group, movingSquare(4, 32, 1));
  const large = await valuesOf(group, movingSquare(8, 96, 1.5, 16));
  expect(large['motion_lk']!.score).toBeCloseTo(small['motion_lk']!.score, -1);
});

test('weights decide the mean of a set, prompts its interval; imported scores fill the table', () => {
  const column = { name: 'subject_consistency', variant: 'v', officialEquivalent: true, better: 'higher' as const };
  const result = (prompt: string, score: number, weight: number): VideoResult => ({
    file: `${prompt}-${score}.mp4`,
    prompt,
    seed: 0,
    sizeBytes: 1,
    modifiedMs: 1,
    values: { subject_consistency: { score, weight } },
  });
  const results = [result('a', 1, 30), result('b', 0.5, 10), result('c', 0.6, 0)];
  const { measures, vbench } = summariseVideos(results, [column], { scene: 0.4111 });
  expect(measures[0]!.value).toBeCloseTo(0.875, 12);
  expect(measures[0]!.interval!.estimate).toBeCloseTo(0.7, 12);
  const row = (name: string) => vbench.rows.find(({ dimension }) => dimension === name);
  expect(row('subject_consistency')).toMatchObject({ status: 'computed', raw: measures[0]!.value, missing: [] });
  expect(row('scene')).toMatchObject({ status: 'imported', raw: 0.4111 });
  expect(row('scene')!.normalised).toBeCloseTo(0.5, 12);
  expect(row('color')).toMatchObject({ status: 'through VBench', raw: null });
  const standIn = summariseVideos(results, [{ ...column, officialEquivalent: false }]);
  expect(standIn.vbench.totals.quality).toBeNull();
});

test("with VBench's list each dimension counts on its own prompts, five videos of each", async () => {
  const path = join(root, 'VBench_full_info.json');
  const list = [
    { prompt_en: 'a square runs', dimension: ['subject_consistency', 'temporal_flickering'] },
    {
      prompt_en: 'a square, pixel art',
      dimension: ['appearance_style'],
      auxiliary_info: { appearance_style: { appearance_style: 'pixel art' } },
    },
    { prompt_en: 'never made', dimension: ['color'] },
  ];
  await writeFile(path, JSON.stringify(list));
  const entry = (prompt: string, seed: number) => ({ file: `${prompt}-${seed}.mp4`, prompt, seed });
  const videos = [entry('a square runs', 0), entry('a square runs', 7), entry('a square, pixel art', 1), entry('x', 0)];
  const under = underSuite(videos, await readVBenchSuite(path));
  expect(under.videos.map(({ dimensions }) => dimensions)).toEqual([
    ['subject_consistency', 'temporal_flickering'],
    ['temporal_flickering'],
    ['appearance_style'],
    [],
  ]);
  expect(under.videos[2]!.style).toBe('pixel art');
  expect([under.unlisted, under.missing]).toEqual([['x-0.mp4'], ['never made']]);
  const duplicate = await readVBenchSuite(fileURLToPath(new URL('cases/suite-duplicate.json', import.meta.url)));
  expect(underSuite([entry('The bund Shanghai, oil painting', 0)], duplicate).videos).toMatchObject([
    {
      dimensions: ['appearance_style', 'overall_consistency', 'aesthetic_quality', 'imaging_quality'],
      style: 'oil painting',
    },
  ]);
  await writeFile(path, JSON.stringify([{ prompt_en: 'a', dimension: ['beauty'] }]));
  await expect(readVBenchSuite(path)).rejects.toThrow(/entry 0: wanted/);
});

test('shares have intervals over prompts, and no more videos of a prompt count than are asked for', () => {
  const column = { name: 'moves', variant: 'v', officialEquivalent: false, better: 'higher' as const, isShare: true };
  const results = Array.from({ length: 72 }, (_, prompt) =>
    Array.from({ length: 5 }, (_, seed): VideoResult => {
      const values = { moves: { score: prompt < 50 ? 1 : 0, weight: 1 } };
      return { file: `${prompt}-${seed}`, prompt: `p${prompt}`, seed, sizeBytes: 1, modifiedMs: 1, values };
    }),
  ).flat();
  const [all] = summariseVideos(results, [column]).measures;
  expect(all).toMatchObject({ videos: 360, prompts: 72 });
  expect([all!.interval!.low, all!.interval!.high]).toBeAllClose([0.58, 0.789], { atol: 1e-3 });
  const [few] = summariseVideos(results, [{ ...column, mostPerPrompt: 2 }]).measures;
  expect(few).toMatchObject({ videos: 144, prompts: 72, value: all!.value });
});

test('results of the first frames do not stand in for results of all', async () => {
  const options = { folder, videos: await listVideos(folder), groups: [counting()], journal: join(root, 'd.jsonl') };
  const [, , few] = await finish(evaluateVideos({ ...options, maxFrames: 3 }));
  expect(few!.values).toMatchObject({ length: { score: 3 } });
  await expect(finish(evaluateVideos(options))).rejects.toThrow('up to 3 frames of each video');
});

test('a group is neither opened nor shown a video that it says nothing about', async () => {
  let opened = 0;
  const group: MeasureGroup = {
    columns: counting().columns,
    appliesTo: () => false,
    open: () => {
      opened++;
      return counting().open();
    },
  };
  const videos = await listVideos(folder);
  const results = await finish(evaluateVideos({ folder, videos, groups: [group], journal: join(root, 'e.jsonl') }));
  expect([opened, results.map(({ values }) => values)]).toEqual([0, videos.map(() => ({ length: null }))]);
});
