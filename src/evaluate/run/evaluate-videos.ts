import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { setImmediate } from 'node:timers/promises';
import { type Clip, readVideo } from '../../io/index.ts';
import { type FoundVideo, Journal, type VideoResult } from './journal.ts';
import type { MeasureGroup, OpenMeasures } from './measures.ts';
import type { VideoEntry } from './videos.ts';

/** What is evaluated, with what, and where results are kept. */
export interface EvaluateOptions {
  /** Folder that the entries' files lie in. */
  readonly folder: string;
  readonly videos: readonly VideoEntry[];
  readonly groups: readonly MeasureGroup[];
  /** The file of results, one line a video; one that is there is continued. */
  readonly journal: string;
  /** Most frames read of a video. Default all. */
  readonly maxFrames?: number;
  /** Stops between two videos. */
  readonly signal?: AbortSignal;
}

/** One video is done by one group of measures. */
export interface EvaluateProgress {
  /** Of `total` = videos times groups. */
  readonly done: number;
  readonly total: number;
  /** What is known of the video by now. */
  readonly result: VideoResult;
  /** Whether it was known from an earlier session. */
  readonly known: boolean;
}

/**
 * Measures videos group by group and one after the other, so that memory holds the networks of one group and one clip.
 * What is known of a video that has not changed since is taken from the journal, and a group with nothing left to measure
 * is not opened. A video that cannot be read is noted as broken and counts nowhere; a measure that fails on a video (too
 * few frames, say) leaves its columns empty and a note. A video is yielded once for each group; what the generator returns
 * holds each video once, with all of its values.
 */
export async function* evaluateVideos(options: EvaluateOptions): AsyncGenerator<EvaluateProgress, VideoResult[], void> {
  const { folder, groups, maxFrames } = options;
  const videos = await Promise.all(options.videos.map((entry) => found(folder, entry)));
  const columns = groups.flatMap((group) => group.columns);
  const journal = await Journal.open(options.journal, { columns, ...(maxFrames !== undefined && { maxFrames }) });
  try {
    for (const [i, group] of groups.entries()) yield* measureGroup(group, { ...options, videos, journal }, i);
    return videos.map((video) => journal.result(video));
  } finally {
    await journal.close();
  }
}

async function found(folder: string, entry: VideoEntry): Promise<FoundVideo> {
  const state = await stat(join(folder, entry.file)).catch(() => null);
  return { ...entry, sizeBytes: state?.size ?? -1, modifiedMs: state?.mtimeMs ?? -1 };
}

interface Evaluation extends Omit<EvaluateOptions, 'journal'> {
  readonly videos: readonly FoundVideo[];
  readonly journal: Journal;
}

async function* measureGroup(
  group: MeasureGroup,
  evaluation: Evaluation,
  index: number,
): AsyncGenerator<EvaluateProgress, void, void> {
  const { videos, groups, journal, signal } = evaluation;
  let opened: OpenMeasures | null = null;
  try {
    for (const [i, video] of videos.entries()) {
      signal?.throwIfAborted();
      const known = journal.knows(video, group.columns);
      if (!known && group.appliesTo?.(video) === false) await journal.append({ ...video, ...nothing(group) });
      else if (!known) {
        opened ??= await group.open();
        await journal.append({ ...video, ...(await measureFile(video, evaluation, group, opened)) });
      }
      const done = index * videos.length + i + 1;
      yield { done, total: groups.length * videos.length, result: journal.result(video), known };
      await setImmediate(); // lets signals in
    }
  } finally {
    opened?.dispose();
  }
}

type Outcome =
  | Pick<VideoResult, 'broken'>
  | Pick<VideoResult, 'values' | 'notes' | 'frames' | 'height' | 'width' | 'fps'>;

/** No value in any column of a group. */
function nothing({ columns }: MeasureGroup): { values: Record<string, null>; notes: Record<string, string> } {
  return { values: Object.fromEntries(columns.map(({ name }) => [name, null])), notes: {} };
}

async function measureFile(
  entry: FoundVideo,
  { folder, maxFrames }: Evaluation,
  group: MeasureGroup,
  opened: OpenMeasures,
): Promise<Outcome> {
  if (entry.sizeBytes <= 0) return { broken: entry.sizeBytes === 0 ? 'the file is empty' : 'there is no such file' };
  let clip: Clip;
  try {
    clip = await readVideo(join(folder, entry.file), maxFrames === undefined ? {} : { maxFrames });
  } catch (error) {
    return { broken: firstLine(error) };
  }
  if (clip.frames < 2) return { broken: `it has ${clip.frames} frame; want two or more` };
  const { frames, height, width, fps } = clip;
  const size = { frames, height, width, fps };
  try {
    return { ...size, values: await opened.measure({ ...entry, clip }), notes: {} };
  } catch (error) {
    return { ...size, ...nothing(group), notes: { [group.columns[0]!.name]: firstLine(error) } };
  }
}

function firstLine(error: unknown): string {
  return error instanceof Error ? error.message.split('\n')[0]! : String(error);
}
