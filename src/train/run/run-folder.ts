import { type FileHandle, mkdir, open, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type HostTensor, readJsonObject, writeAtomic } from '../../io/index.ts';
import { ifAbsent, refusalOf } from '../../io/internal.ts';
import {
  type CheckpointTensors,
  type Manifest,
  newestCheckpoint,
  pruneCheckpoints,
  readCheckpointFile,
  removeLeftovers,
  setAsideAfter,
  writeCheckpoint,
} from './checkpoint.ts';
import { differences, type Json, type RunRecord, recordFormat } from './record.ts';
import { RunLock } from './run-lock.ts';

export interface RunFolderOptions {
  /** Settings and environment of the run; a folder is continued only under the same ones. */
  config: RunRecord;
  /** SHA-256 of the weights that the run starts from, by network. Those of the run that is there are kept. */
  starts?: Readonly<Record<string, string>>;
  /** Newest checkpoints kept. @defaultValue 2 */
  keepLast?: number;
  /** Hears of damaged checkpoints that are passed over. @defaultValue `process.emitWarning` */
  onWarning?: (message: string) => void;
}

/** Where a run goes on: after `step` updates, with the tensors of its checkpoint read by file name. */
export interface ResumePoint {
  step: number;
  manifest: Manifest;
  read(file: string): Promise<Map<string, HostTensor>>;
}

type Logs = Readonly<Record<'metrics' | 'timings', FileHandle>>;

interface Held {
  keepLast: number;
  resumePoint: ResumePoint | null;
  starts: Readonly<Record<string, string>>;
  logs: Logs;
  lock: RunLock;
}

/**
 * The folder of a training run: `config.json` (settings, environment, weights at the start), `metrics.jsonl` (one line a step, reproducible numbers only),
 * `timings.jsonl`, `checkpoints/step-N/` (safetensors and a manifest) and `checkpoints/latest` (the newest one's name).
 * While it is open, `lock.json` says which process holds it.
 */
export class RunFolder {
  readonly path: string;
  /** Where to go on, or null in a new folder. */
  readonly resumePoint: ResumePoint | null;
  /** SHA-256 of the weights that the run started from, by network. */
  readonly starts: Readonly<Record<string, string>>;
  readonly #held: Pick<Held, 'keepLast' | 'logs' | 'lock'>;

  private constructor(path: string, { resumePoint, starts, ...held }: Held) {
    this.path = path;
    this.resumePoint = resumePoint;
    this.starts = starts;
    this.#held = held;
  }

  /**
   * Make the folder or continue in it. Throws if it cannot be written to, if another run that has not ended holds it,
   * or if it holds a run with other settings (the message lists them).
   */
  static async open(path: string, options: RunFolderOptions): Promise<RunFolder> {
    await explained(path, () => mkdir(join(path, 'checkpoints'), { recursive: true }));
    const lock = await explained(path, () => RunLock.acquire(path));
    try {
      return await RunFolder.#openLocked(path, options, lock);
    } catch (error) {
      await lock.release();
      throw error;
    }
  }

  static async #openLocked(path: string, options: RunFolderOptions, lock: RunLock): Promise<RunFolder> {
    const { config, keepLast = 2, onWarning = (message: string) => process.emitWarning(message) } = options;
    const checkpoints = join(path, 'checkpoints');
    const starts = await explained(path, () => settleRecord(path, config, options.starts ?? {}));
    await removeLeftovers(checkpoints);
    const found = await newestCheckpoint(checkpoints, onWarning);
    await setAsideAfter(checkpoints, found?.manifest.step ?? 0);
    const resumePoint = found && {
      step: found.manifest.step,
      manifest: found.manifest,
      read: (file: string) => readCheckpointFile(found.path, file),
    };
    const step = resumePoint?.step ?? 0;
    const logs = {
      metrics: await openLog(path, 'metrics', step, onWarning),
      timings: await openLog(path, 'timings', step, () => undefined),
    };
    return new RunFolder(path, { keepLast, resumePoint, starts, logs, lock });
  }

  /** Append a line to `metrics.jsonl`, and how long the step took to `timings.jsonl`. Throws if a later run has the folder. */
  async log(metrics: { readonly step: number } & { readonly [key: string]: Json }, stepMs: number): Promise<void> {
    await this.#held.lock.confirm();
    await this.#held.logs.metrics.appendFile(`${JSON.stringify(metrics)}\n`);
    await this.#held.logs.timings.appendFile(`${JSON.stringify({ step: metrics.step, stepMs })}\n`);
  }

  /** Write a checkpoint, then delete those that are older than the ones kept. Returns its folder. Throws as `log` does. */
  async save(tensors: CheckpointTensors, about: Omit<Manifest, 'format' | 'files'>): Promise<string> {
    const folder = join(this.path, 'checkpoints');
    await this.#held.lock.confirm();
    await Promise.all([this.#held.logs.metrics.sync(), this.#held.logs.timings.sync()]);
    const written = await explained(this.path, () => writeCheckpoint(folder, tensors, about));
    await pruneCheckpoints(folder, this.#held.keepLast);
    return written;
  }

  async close(): Promise<void> {
    try {
      await Promise.all(Object.values(this.#held.logs).map((log) => log.close()));
    } finally {
      await this.#held.lock.release();
    }
  }
}

/** Write the record of a new run, or compare with that of the run that is there; returns the weights it started from. */
async function settleRecord(
  path: string,
  record: RunRecord,
  starts: Readonly<Record<string, string>>,
): Promise<Readonly<Record<string, string>>> {
  const file = join(path, 'config.json');
  const wanted = JSON.parse(JSON.stringify({ format: recordFormat, ...record })) as RunRecord;
  const text = await readFile(file, 'utf8').catch(ifAbsent(null));
  if (text === null) {
    await writeAtomic(file, `${JSON.stringify({ ...wanted, starts }, null, 2)}\n`);
    return starts;
  }
  const { starts: started, ...stored } = (await readJsonObject(file)) as RunRecord;
  if (stored['format'] !== recordFormat || typeof started !== 'object') {
    throw new Error(
      `${path} holds a run of version 0.1, which did not record all that decides its numbers: finish it with that ` +
        'version, or give another folder',
    );
  }
  const differing = differences(stored, wanted);
  if (differing.length === 0) return started as Record<string, string>;
  throw new Error(`${path} holds a run with other settings (${differing.join('; ')}): use them, or another folder`);
}

/** Open a log for appending, less the lines after `step` that a broken-off run has left; steps without a line are told. */
async function openLog(
  path: string,
  name: string,
  step: number,
  onWarning: (message: string) => void,
): Promise<FileHandle> {
  const file = join(path, `${name}.jsonl`);
  const text = await readFile(file, 'utf8').catch(ifAbsent(''));
  const kept = text.split('\n').filter((line) => stepOf(line) <= step);
  const wanted = kept.map((line) => `${line}\n`).join('');
  if (wanted !== text) await writeAtomic(file, wanted);
  const there = new Set(kept.map(stepOf));
  const missing = Array.from({ length: step }, (_, i) => i + 1).filter((each) => !there.has(each));
  if (missing.length > 0) {
    onWarning(`${file}: ${missing.length} of ${step} steps are missing, from step ${missing[0]} to ${missing.at(-1)}`);
  }
  return open(file, 'a');
}

/** Step of a line; a line that was cut off while it was written counts as after all others. */
function stepOf(line: string): number {
  try {
    return (JSON.parse(line) as { step: number }).step;
  } catch {
    return Number.POSITIVE_INFINITY;
  }
}

/** Run `work`, with the usual refusals of the file system said in words. */
async function explained<T>(path: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    const why = refusalOf(error);
    if (!why) throw error;
    throw new Error(`cannot write to the run folder ${path}: ${why}; give another folder`, { cause: error });
  }
}
