/** Results of single videos, a line for each and each group of measures: an evaluation that was killed goes on from them. */
import { type FileHandle, open, readFile } from 'node:fs/promises';
import { isDeepStrictEqual } from 'node:util';
import { writeAtomic } from '../../io/index.ts';
import { ifAbsent } from '../../io/internal.ts';
import type { MeasureColumn, Measured } from './measures.ts';
import type { VideoEntry } from './videos.ts';

/** A video with size in bytes and time of change (ms), by which one that was replaced is known; -1 of a missing one. */
export interface FoundVideo extends VideoEntry {
  readonly sizeBytes: number;
  readonly modifiedMs: number;
}

/** What became of one video. */
export interface VideoResult extends FoundVideo {
  readonly frames?: number;
  readonly height?: number;
  readonly width?: number;
  readonly fps?: number;
  /** Values by column; null where a measure says nothing about this video. Absent of a broken video. */
  readonly values?: Readonly<Record<string, Measured>>;
  /** Why measures gave no value, by their first column. */
  readonly notes?: Readonly<Record<string, string>>;
  /** Why the video could not be read: it counts nowhere. */
  readonly broken?: string;
}

interface Header {
  readonly format: string;
  readonly columns: readonly MeasureColumn[];
  /** Absent where all frames were read. */
  readonly maxFrames?: number;
}

const FORMAT = 'reward-forcing evaluation 1';

export class Journal {
  readonly #file: FileHandle;
  readonly #results: Map<string, VideoResult> = new Map();

  private constructor(file: FileHandle, results: readonly VideoResult[]) {
    this.#file = file;
    for (const result of results) this.#add(result);
  }

  /**
   * Opens or makes a journal. A line that was cut off while it was written is dropped.
   *
   * @throws Error if it holds results of other measures, or of another part of the videos.
   */
  static async open(path: string, { columns, maxFrames }: Omit<Header, 'format'>): Promise<Journal> {
    const header: Header = JSON.parse(JSON.stringify({ format: FORMAT, columns, maxFrames }));
    const text = await readFile(path, 'utf8').catch(ifAbsent(null));
    const lines = (text ?? '').split('\n').flatMap(parsedLine);
    const [first, ...rest] = lines as [Header?, ...VideoResult[]];
    if (first !== undefined && !isDeepStrictEqual(first, header)) {
      const isSameTable = isDeepStrictEqual(first.columns, header.columns);
      const other = isSameTable ? `up to ${first.maxFrames ?? 'all'} frames of each video` : 'other measures';
      throw new Error(`${path} holds results of ${other}: evaluate into another folder, or delete the file`);
    }
    const whole = [header, ...rest].map((line) => `${JSON.stringify(line)}\n`).join('');
    if (whole !== text) await writeAtomic(path, whole);
    return new Journal(await open(path, 'a'), rest);
  }

  /** What is known of a video as it is now; of one that was never measured, or has changed since, its name alone. */
  result(video: FoundVideo): VideoResult {
    const before = this.#results.get(video.file);
    return before !== undefined && isSame(before, video) ? { ...before, ...video } : video;
  }

  /** Whether all these columns of a video are known, or that it is broken. */
  knows(video: FoundVideo, columns: readonly MeasureColumn[]): boolean {
    const { broken, values = {} } = this.result(video);
    return broken !== undefined || columns.every(({ name }) => Object.hasOwn(values, name));
  }

  /** Adds a result: one write of one line, on the disk before this returns. */
  async append(result: VideoResult): Promise<void> {
    await this.#file.appendFile(`${JSON.stringify(result)}\n`);
    await this.#file.datasync();
    this.#add(result);
  }

  #add(result: VideoResult): void {
    this.#results.set(result.file, merged(this.#results.get(result.file), result));
  }

  close(): Promise<void> {
    return this.#file.close();
  }
}

function isSame(before: FoundVideo, now: FoundVideo): boolean {
  const sameFile = before.sizeBytes === now.sizeBytes && before.modifiedMs === now.modifiedMs;
  const sameTask = before.prompt === now.prompt && before.style === now.style;
  return sameFile && sameTask && String(before.dimensions) === String(now.dimensions);
}

/** Measures of one video come group by group; a video that turns out broken has none. */
function merged(before: VideoResult | undefined, now: VideoResult): VideoResult {
  if (before === undefined || !isSame(before, now) || now.broken !== undefined) return now;
  const { broken: _, ...rest } = before;
  return { ...rest, ...now, values: { ...rest.values, ...now.values }, notes: { ...rest.notes, ...now.notes } };
}

function parsedLine(line: string): unknown[] {
  try {
    return line === '' ? [] : [JSON.parse(line)];
  } catch {
    return [];
  }
}
