import { randomUUID } from 'node:crypto';
import { open, readFile, rename, rm, stat } from 'node:fs/promises';
import { hostname } from 'node:os';
import { dirname, join } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import { ifAbsent } from '../../io/internal.ts';

interface Holder {
  readonly pid: number;
  readonly host: string;
  /** When the lock was taken, ISO 8601. */
  readonly since: string;
  /** When the process was started, by the system's own count; null where it does not tell. */
  readonly birth: string | null;
  /** Tells the runs of one process from each other. */
  readonly run: string;
}

/** A lock without readable content that is older than this was left by a process that died while it wrote it. */
const writingMs = 10_000;

/**
 * The right to train into a folder: `lock.json` with process and machine. Two runs that write one `metrics.jsonl`
 * would mix their lines. The lock of a process that is dead is taken over, and so is that of an earlier run of this
 * process (a notebook's cell run again), which then fails at its next step; a lock of another machine is believed.
 */
export class RunLock {
  readonly #file: string;
  readonly #holder: Holder;

  private constructor(file: string, holder: Holder) {
    this.#file = file;
    this.#holder = holder;
  }

  /** Throws with who holds the lock, and since when, if its process is alive. */
  static async acquire(folder: string): Promise<RunLock> {
    const file = join(folder, 'lock.json');
    const birth = await birthOf(process.pid);
    const holder = { pid: process.pid, host: hostname(), since: new Date().toISOString(), birth, run: randomUUID() };
    while (!(await create(file, holder))) {
      const other = await read(file);
      if (other === 'gone') continue;
      if (other === 'unwritten' || (await isAnotherAlive(other))) throw new Error(refusal(folder, file, other));
      await removeStale(file, other);
    }
    return new RunLock(file, holder);
  }

  /** Throws if somebody else has taken the folder over. */
  async confirm(): Promise<void> {
    if (await this.#isHeld()) return;
    throw new Error(
      `a later run has taken over ${dirname(this.#file)}, so this one stops here: its last checkpoint is where the ` +
        'later run went on from; to train both, give each a folder of its own',
    );
  }

  /** Remove the lock, unless somebody else has taken it over. */
  async release(): Promise<void> {
    if (await this.#isHeld()) await rm(this.#file, { force: true });
  }

  async #isHeld(): Promise<boolean> {
    return isDeepStrictEqual(await read(this.#file), this.#holder);
  }
}

/** Whether the file was not there and is ours now. */
async function create(file: string, holder: Holder): Promise<boolean> {
  try {
    const handle = await open(file, 'wx');
    await handle.writeFile(`${JSON.stringify(holder)}\n`).finally(() => handle.close());
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false;
    throw error;
  }
}

/** What an abandoned file without content counts as: a process that is nowhere. */
const nobody: Holder = { pid: 0, host: '', since: '', birth: null, run: '' };

async function read(file: string): Promise<Holder | 'gone' | 'unwritten'> {
  try {
    const text = await readFile(file, 'utf8');
    if (text.endsWith('\n')) return holderIn(JSON.parse(text));
    const age = Math.abs(Date.now() - (await stat(file)).mtimeMs); // a clock may have been set back
    return age < writingMs ? 'unwritten' : nobody;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return 'gone';
    if (!(error instanceof SyntaxError)) throw error;
    throw new Error(`${file} is no lock of ours (${error.message}): if no run uses the folder, delete that file`);
  }
}

/** @throws SyntaxError if the value is nothing that `create` writes. */
function holderIn(value: unknown): Holder {
  const { pid, host, since, birth, run } = (value ?? {}) as Partial<Holder>;
  const isWritten = [host, since, run].every((field) => typeof field === 'string');
  if (!isWritten || !Number.isInteger(pid) || (birth !== null && typeof birth !== 'string'))
    throw new SyntaxError('it names no process');
  return value as Holder;
}

/** Whether a process that lives, and is not this one, holds the lock. */
async function isAnotherAlive({ pid, host, birth }: Holder): Promise<boolean> {
  if (pid === 0) return false;
  if (host !== hostname()) return true;
  if (pid === process.pid) return false;
  try {
    process.kill(pid, 0);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ESRCH') return false;
  }
  const now = await birthOf(pid);
  return birth === null || now === null || now === birth; // a number given to a new process is another process
}

/** Boot and clock tick at which a process was started; null where there is no /proc. */
async function birthOf(pid: number): Promise<string | null> {
  try {
    const boot = await readFile('/proc/sys/kernel/random/boot_id', 'utf8');
    const status = await readFile(`/proc/${pid}/stat`, 'utf8');
    const fields = status.slice(status.lastIndexOf(')') + 2).split(' ');
    return `${boot.trim()} ${fields[19]}`;
  } catch {
    return null;
  }
}

/** Takes the file away first: of several that found it stale, one has it; who caught a newer lock puts it back. */
async function removeStale(file: string, stale: Holder): Promise<void> {
  const aside = `${file}.${process.pid}.stale`;
  if (await rename(file, aside).then(() => false, ifAbsent(true))) return;
  if (isDeepStrictEqual(await read(aside), stale)) await rm(aside, { force: true });
  else await rename(aside, file);
}

function refusal(folder: string, file: string, other: Holder | 'unwritten'): string {
  if (other === 'unwritten') return `${folder} is being taken by another run at this moment: give another folder`;
  const { pid, host, since } = other;
  if (host === hostname())
    return `${folder} is held by a run of process ${pid}, since ${since}: wait until it ends, stop it with: kill ${pid}, or give another folder (the lock is ${file})`;
  return `${folder} is held by a run of process ${pid} on ${host}, since ${since}: wait until it ends, or give another folder; if that process is gone, delete ${file}`;
}
