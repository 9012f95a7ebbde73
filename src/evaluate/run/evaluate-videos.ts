import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { setImmediate } from 'node:timers/promises';
import type { Clip } from '../../io/clip.ts';
import { readVideo } from '../../io/video-read.ts';
import { Journal, type VideoResult } from './journal.ts';
import type { Measured, MeasuredVideo, MeasureGroup } from './measures.ts';
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

/** One video is done. */
export interface EvaluateProgress {
  readonly done: number;
  readonly total: number;
  readonly result: VideoResult;
  /** Whether it was known from an earlier session. */
  readonly known: boolean;
}

/**
 * Measures videos one after the other, so that memory holds one of them at a time. What is known of a video that has not
 * changed since is taken from the journal. A video that cannot be read is noted as broken and counts nowhere; a measure
 * that fails on a video (too few frames, say) leaves its columns empty and a note.
 */
export async function* evaluateVideos(options: EvaluateOptions): AsyncGenerator<EvaluateProgress, VideoResult[], void> {
  const { folder, videos, groups, signal } = options;
  const columns = groups.flatMap((group) => group.columns);
  const journal = await Journal.open(options.journal, columns);
  const results: VideoResult[] = [];
  try {
    for (const [i, entry] of videos.entries()) {
      signal?.throwIfAborted();
      const state = await fileState(join(folder, entry.file));
      const before = journal.results.get(entry.file);
      const known = before !== undefined && isSame(before, entry, state);
      const result = known ? before : { ...entry, ...state, ...(await measureFile(entry, options)) };
      if (!known) await journal.append(result);
      results.push(result);
      yield { done: i + 1, total: videos.length, result, known };
      await setImmediate(); // lets signals in
    }
    return results;
  } finally {
    await journal.close();
  }
}

type FileState = Pick<VideoResult, 'sizeBytes' | 'modifiedMs'>;

async function fileState(path: string): Promise<FileState> {
  const found = await stat(path).catch(() => null);
  return { sizeBytes: found?.size ?? -1, modifiedMs: found?.mtimeMs ?? -1 };
}

function isSame(before: VideoResult, { prompt, style }: VideoEntry, { sizeBytes, modifiedMs }: FileState): boolean {
  const sameFile = before.sizeBytes === sizeBytes && before.modifiedMs === modifiedMs;
  return sameFile && before.prompt === prompt && before.style === style;
}

type Outcome =
  | Pick<VideoResult, 'broken'>
  | Pick<VideoResult, 'values' | 'notes' | 'frames' | 'height' | 'width' | 'fps'>;

async function measureFile(entry: VideoEntry, { folder, groups, maxFrames }: EvaluateOptions): Promise<Outcome> {
  let clip: Clip;
  try {
    clip = await readVideo(join(folder, entry.file), maxFrames === undefined ? {} : { maxFrames });
  } catch (error) {
    return { broken: firstLine(error) };
  }
  if (clip.frames < 2) return { broken: `it has ${clip.frames} frame; want two or more` };
  const { frames, height, width, fps } = clip;
  return { frames, height, width, fps, ...(await measureAll({ ...entry, clip }, groups)) };
}

async function measureAll(
  video: MeasuredVideo,
  groups: readonly MeasureGroup[],
): Promise<Required<Pick<VideoResult, 'values' | 'notes'>>> {
  const values: Record<string, Measured> = {};
  const notes: Record<string, string> = {};
  for (const group of groups) {
    try {
      Object.assign(values, await group.measure(video));
    } catch (error) {
      for (const { name } of group.columns) values[name] = null;
      notes[group.columns[0]!.name] = firstLine(error);
    }
  }
  return { values, notes };
}

function firstLine(error: unknown): string {
  return error instanceof Error ? error.message.split('\n')[0]! : String(error);
}
