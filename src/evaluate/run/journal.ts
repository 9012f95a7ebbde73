/** Results of single videos, a line each, so that an evaluation that was killed goes on where it stopped. */
import { type FileHandle, open, readFile } from 'node:fs/promises';
import { isDeepStrictEqual } from 'node:util';
import { writeAtomic } from '../../io/atomic.ts';
import type { MeasureColumn, Measured } from './measures.ts';
import type { VideoEntry } from './videos.ts';

/** What became of one video. */
export interface VideoResult extends VideoEntry {
  /** Size in bytes and time of change (ms), by which a video that was replaced is known; -1 of a missing one. */
  readonly sizeBytes: number;
  readonly modifiedMs: number;
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
}

const FORMAT = 'reward-forcing evaluation 1';

/** An open file of results. */
export class Journal {
  readonly #file: FileHandle;
  readonly results: Map<string, VideoResult>;

  private constructor(file: FileHandle, results: Map<string, VideoResult>) {
    this.#file = file;
    this.results = results;
  }

  /**
   * Opens or makes a journal. A line that was cut off while it was written is dropped.
   *
   * @throws Error if it holds results of other measures.
   */
  static async open(path: string, columns: readonly MeasureColumn[]): Promise<Journal> {
    const header: Header = JSON.parse(JSON.stringify({ format: FORMAT, columns }));
    const text = await readFile(path, 'utf8').catch(absent);
    const lines = (text ?? '').split('\n').flatMap(parsedLine);
    const [first, ...rest] = lines as [Header?, ...VideoResult[]];
    if (first !== undefined && !isDeepStrictEqual(first, header)) {
      throw new Error(`${path} holds results of other measures: evaluate into another folder, or delete the file`);
    }
    const whole = [header, ...rest].map((line) => `${JSON.stringify(line)}\n`).join('');
    if (whole !== text) await writeAtomic(path, whole);
    return new Journal(await open(path, 'a'), new Map(rest.map((result) => [result.file, result])));
  }

  /** Adds a result: one write of one line, on the disk before this returns. */
  async append(result: VideoResult): Promise<void> {
    await this.#file.appendFile(`${JSON.stringify(result)}\n`);
    await this.#file.datasync();
    this.results.set(result.file, result);
  }

  close(): Promise<void> {
    return this.#file.close();
  }
}

function parsedLine(line: string): unknown[] {
  try {
    return line === '' ? [] : [JSON.parse(line)];
  } catch {
    return [];
  }
}

function absent(error: NodeJS.ErrnoException): null {
  if (error.code === 'ENOENT') return null;
  throw error;
}
