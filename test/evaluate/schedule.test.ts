/** Evaluating on several networks: as many in memory as find room together, and going on after a kill. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { beforeAll, expect, test } from 'vitest';
import { use } from '../../src/engine/index.ts';
import { tf } from '../../src/engine/tf.ts';
import {
  type Dimension,
  evaluateVideos,
  listVideos,
  type MeasureGroup,
  officialMeasures,
  summariseVideos,
  type VideoResult,
} from '../../src/evaluate/index.ts';
import { writeVideo } from '../../src/io/index.ts';
import { cli, type Ended } from '../cli/run.ts';
import { testFolder } from '../folder.ts';
import { movingSquare } from './clips.ts';
import { tinyConfigs, writeTinyNetworks } from './tiny-networks.ts';

const root = await testFolder('schedule');
const [videos, weights] = [join(root, 'videos'), join(root, 'weights')];

beforeAll(async () => {
  await use('cpu');
  for (const folder of [videos, weights]) await mkdir(folder);
  await writeTinyNetworks(weights);
  for (const step of [0, 1, 2]) {
    await writeVideo(join(videos, `a square-${step}.webp`), movingSquare(4, 40, step), { enlarge: 1 });
  }
  await writeFile(join(videos, 'a broken one-0.webp'), 'no video');
});

/** Dimensions whose networks are fast. */
const quick: readonly Dimension[] = ['subject_consistency', 'background_consistency'];
const openAll = (dimensions?: readonly Dimension[]): Promise<MeasureGroup[]> =>
  officialMeasures(weights, { configs: tinyConfigs, ...(dimensions && { dimensions }) });

async function evaluated(groups: readonly MeasureGroup[], journal: string): Promise<VideoResult[]> {
  const run = evaluateVideos({ folder: videos, videos: await listVideos(videos), groups, journal });
  for (;;) {
    const next = await run.next();
    if (next.done) return next.value;
  }
}

/** Groups that tell when they are opened and closed, and how many tensors there are then. */
function watched(groups: readonly MeasureGroup[], sizeBytes = 1) {
  const events: { name: string; tensors: number }[] = [];
  const note = (name: string): void => void events.push({ name, tensors: tf.memory().numTensors });
  const each = groups.map((group, i): MeasureGroup => {
    const open: MeasureGroup['open'] = async () => {
      note(`open ${i}`);
      const opened = await group.open();
      const dispose = (): void => {
        opened.dispose();
        note(`close ${i}`);
      };
      return { ...opened, dispose };
    };
    return { columns: group.columns, sizeBytes, open };
  });
  return { events, groups: each };
}

test('dimensions of one network share a group', async () => {
  const groups = await openAll();
  expect(groups.map(({ columns }) => columns.map(({ name }) => name))).toEqual([
    ['subject_consistency'],
    ['background_consistency'],
    ['temporal_flickering', 'dynamic_degree'],
  ]);
});

test('networks that find room together are in memory together, others one at a time, and none without work', async () => {
  const before = tf.memory().numTensors;
  const names = async (sizeBytes: number, journal: string): Promise<string[]> => {
    const { events, groups } = watched(await openAll(quick), sizeBytes);
    expect(tf.memory().numTensors).toBe(before);
    await evaluated(groups, join(root, journal));
    expect(tf.memory().numTensors).toBe(before);
    return events.map(({ name }) => name);
  };
  expect(await names(1.5 * 2 ** 30, 'apart.jsonl')).toEqual(['open 0', 'close 0', 'open 1', 'close 1']);
  expect(await names(1, 'together.jsonl')).toEqual(['open 0', 'open 1', 'close 0', 'close 1']);
  expect(await names(1, 'together.jsonl')).toEqual([]);
  const results = ['apart', 'together'].map(async (name) =>
    evaluated(await openAll(quick), join(root, `${name}.jsonl`)),
  );
  const [one, other] = await Promise.all(results);
  expect(one).toEqual(other);
});

test('an evaluation that is broken off releases its networks', async () => {
  const { events, groups } = watched(await openAll());
  const options = { folder: videos, videos: await listVideos(videos), groups, journal: join(root, 'off.jsonl') };
  for await (const { done } of evaluateVideos(options)) if (done === 2) break;
  expect(events.map(({ name }) => name).sort()).toEqual([
    'close 0',
    'close 1',
    'close 2',
    'open 0',
    'open 1',
    'open 2',
  ]);
});

test('a network that cannot be opened ends the evaluation instead of leaving its columns empty', async () => {
  const [group] = await openAll();
  const lost: MeasureGroup = { ...group!, open: () => Promise.reject(new Error('out of memory')) };
  await expect(evaluated([lost], join(root, 'lost.jsonl'))).rejects.toThrow('out of memory');
});

test('killed in the middle and run again, it finds what an uninterrupted run finds', async () => {
  const journal = join(root, 'killed.jsonl');
  await killedAfter(2, journal);
  const kept = (await readFile(journal, 'utf8')).split('\n').slice(1, -1);
  expect(kept.length).toBeGreaterThanOrEqual(2);
  const groups = await openAll(quick);
  const results = await evaluated(groups, journal);
  const lines = (await readFile(journal, 'utf8')).split('\n').slice(1, -1);
  expect(lines.slice(0, kept.length)).toEqual(kept); // what was known is not measured again
  expect(lines).toHaveLength(4);
  const whole = await evaluated(await openAll(quick), join(root, 'whole.jsonl'));
  expect(results).toEqual(whole);
  const columns = groups.flatMap((group) => group.columns);
  const summary = summariseVideos(results, columns);
  expect(summary.broken.map(({ file }) => file)).toEqual(['a broken one-0.webp']);
  expect(summary.measures.map(({ videos: measured }) => measured)).toEqual([3, 3]);
}, 60_000);

test('the command line, killed after its first video and run again, writes what an uninterrupted run writes', async () => {
  const slow = join(root, 'slow');
  await mkdir(slow);
  for (const step of [1, 2, 3]) {
    await writeVideo(join(slow, `a square-${step}.webp`), movingSquare(6, 48, step), { enlarge: 1 });
  }
  const run = (out: string, options = {}): Promise<Ended> =>
    cli(['evaluate', slow, '--out', join(root, out), '--engine', 'cpu'], options);
  const during = (child: ChildProcess, err: string): void => {
    if (/evaluate: \d/.test(err)) child.kill('SIGKILL');
  };
  expect((await run('killed', { during })).code).toBeNull();
  const journal = await readFile(join(root, 'killed', 'videos.jsonl'), 'utf8');
  expect(journal.trim().split('\n').length).toBeLessThan(4); // a line for itself and not all of three videos
  for (const out of ['killed', 'whole']) expect((await run(out)).code).toBe(0);
  for (const file of ['videos.jsonl', 'summary.json', 'table.txt']) {
    const [killed, whole] = await Promise.all(
      ['killed', 'whole'].map((out) => readFile(join(root, out, file), 'utf8')),
    );
    expect(killed, file).toBe(whole);
  }
}, 60_000);

/** Starts an evaluation and kills it once its journal holds so many results. */
async function killedAfter(results: number, journal: string): Promise<void> {
  const script = fileURLToPath(new URL('evaluate-child.ts', import.meta.url));
  const child = spawn(process.execPath, ['--import', 'tsx', script, videos, weights, journal], { stdio: 'ignore' });
  const ended = once(child, 'exit');
  const lines = async (): Promise<number> => (await readFile(journal, 'utf8').catch(() => '')).split('\n').length - 2;
  while (child.exitCode === null && (await lines()) < results) await sleep(5);
  child.kill('SIGKILL');
  expect(await ended).toEqual([null, 'SIGKILL']);
}
