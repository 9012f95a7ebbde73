import { stat } from 'node:fs/promises';
import { resolve } from 'node:path';
import { setImmediate } from 'node:timers/promises';
import { openVideo, type VideoReader } from '../../io/index.ts';
import { type FoundVideo, Journal, type VideoResult } from './journal.ts';
import { firstLine, type MeasureGroup, type OpenMeasures, together } from './measures.ts';
import type { VideoEntry } from './videos.ts';

export interface EvaluateOptions {
  /** Folder that the entries' files lie in. */
  readonly folder: string;
  readonly videos: readonly VideoEntry[];
  readonly groups: readonly MeasureGroup[];
  /** The file of results, one line a video; one that is there is continued. */
  readonly journal: string;
  /** Most frames read of a video. @defaultValue all */
  readonly maxFrames?: number;
  /** Stops between two frames. */
  readonly signal?: AbortSignal;
}

/** One video is done by the measures of one pass. */
export interface EvaluateProgress {
  /** Of `total` = videos times passes. */
  readonly done: number;
  readonly total: number;
  /** What is known of the video by now. */
  readonly result: VideoResult;
  /** Whether it was known from an earlier session. */
  readonly known: boolean;
}

/** Networks that are held together take no more than this, unless a single group does. */
const MOST_BYTES = 2 * 2 ** 30;

/**
 * Measures videos one after the other, frame by frame: each is read once for all measures whose networks find room
 * together (2 GiB), in further passes for the others, and memory does not depend on its length. What is known of a video
 * that has not changed since is taken from the journal, and a group with nothing left to measure is not opened. A video
 * that cannot be read is noted as broken and counts nowhere; a measure that fails on a video (too few frames, say) leaves
 * its columns empty and a note. A video is yielded once for each pass; what the generator returns holds each video once,
 * with all of its values.
 */
export async function* evaluateVideos(options: EvaluateOptions): AsyncGenerator<EvaluateProgress, VideoResult[], void> {
  const { folder, groups, maxFrames } = options;
  const videos = await Promise.all(options.videos.map((entry) => found(folder, entry)));
  const columns = groups.flatMap((group) => group.columns);
  const journal = await Journal.open(options.journal, { columns, ...(maxFrames !== undefined && { maxFrames }) });
  try {
    const passes = passesOf(groups);
    for (const [i, pass] of passes.entries()) {
      const before = i * videos.length;
      for await (const { done, ...step } of measurePass(pass, { ...options, videos, journal })) {
        yield { ...step, done: before + done, total: passes.length * videos.length };
      }
    }
    return videos.map((video) => journal.result(video));
  } finally {
    await journal.close();
  }
}

function passesOf(groups: readonly MeasureGroup[]): MeasureGroup[][] {
  const passes: MeasureGroup[][] = [];
  let room = 0;
  for (const group of groups) {
    const { sizeBytes = 0 } = group;
    if (passes.length > 0 && sizeBytes <= room) passes.at(-1)!.push(group);
    else {
      passes.push([group]);
      room = MOST_BYTES;
    }
    room -= sizeBytes;
  }
  return passes;
}

async function found(folder: string, entry: VideoEntry): Promise<FoundVideo> {
  const state = await stat(resolve(folder, entry.file)).catch(() => null);
  return { ...entry, sizeBytes: state?.size ?? -1, modifiedMs: state?.mtimeMs ?? -1 };
}

interface Evaluation extends Omit<EvaluateOptions, 'journal'> {
  readonly videos: readonly FoundVideo[];
  readonly journal: Journal;
}

async function* measurePass(
  pass: readonly MeasureGroup[],
  evaluation: Evaluation,
): AsyncGenerator<Omit<EvaluateProgress, 'total'>, void, void> {
  const { videos, journal, signal } = evaluation;
  const opened = new Map<MeasureGroup, OpenMeasures>();
  try {
    for (const [i, video] of videos.entries()) {
      signal?.throwIfAborted();
      const due = pass.filter(({ columns }) => !journal.knows(video, columns));
      const silent = due.filter((group) => group.appliesTo?.(video) === false);
      const speaking = due.filter((group) => !silent.includes(group));
      for (const group of speaking) if (!opened.has(group)) opened.set(group, await group.open());
      const task = speaking.map((group): Task => [group, opened.get(group)!]);
      if (due.length > 0) await journal.append({ ...video, ...(await measureFile(video, evaluation, task, silent)) });
      yield { done: i + 1, result: journal.result(video), known: due.length === 0 };
      await setImmediate(); // lets signals in
    }
  } finally {
    for (const { dispose } of opened.values()) dispose();
  }
}

type Task = readonly [group: MeasureGroup, opened: OpenMeasures];

type Outcome =
  | Pick<VideoResult, 'broken'>
  | Pick<VideoResult, 'values' | 'notes' | 'frames' | 'height' | 'width' | 'fps'>;

function namesOf({ columns }: MeasureGroup): string[] {
  return columns.map(({ name }) => name);
}

/** No value in any column of groups that say nothing about a video. */
function nothing(groups: readonly MeasureGroup[]): Record<string, null> {
  return Object.fromEntries(groups.flatMap(namesOf).map((name) => [name, null]));
}

async function measureFile(
  entry: FoundVideo,
  { folder, maxFrames, signal }: Evaluation,
  tasks: readonly Task[],
  silent: readonly MeasureGroup[],
): Promise<Outcome> {
  if (tasks.length === 0) return { values: nothing(silent), notes: {} };
  if (entry.sizeBytes <= 0) return { broken: entry.sizeBytes === 0 ? 'the file is empty' : 'there is no such file' };
  const path = resolve(folder, entry.file);
  const open = (): Promise<VideoReader> => openVideo(path, maxFrames === undefined ? {} : { maxFrames });
  try {
    const needsFrames = tasks.some(([, opened]) => opened.needsFrames);
    const counted = needsFrames ? { frames: await countFrames(await open(), signal) } : {};
    const video = await open();
    const { height, width, fps } = video;
    const shown = { ...entry, height, width, fps, ...counted };
    const watch = together(
      tasks.map(([group, opened]) => ({ columns: namesOf(group), start: () => opened.start(shown) })),
    );
    let frames = 0;
    for await (const frame of video) {
      signal?.throwIfAborted();
      frames++;
      await watch.see(frame);
    }
    if (frames < 2) return { broken: `it has ${frames} frame; wanted two or more` };
    const { values, notes } = await watch.result();
    return { frames, height, width, fps, values: { ...nothing(silent), ...values }, notes };
  } catch (error) {
    signal?.throwIfAborted();
    return { broken: firstLine(error) };
  }
}

async function countFrames(video: VideoReader, signal?: AbortSignal): Promise<number> {
  let frames = 0;
  for await (const _ of video) {
    signal?.throwIfAborted();
    frames++;
  }
  return frames;
}
