/** Finding ffmpeg, and running it. */
import { type ChildProcess, spawn } from 'node:child_process';
import { access, constants } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { homedir } from 'node:os';
import { basename, delimiter, dirname, join } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { fileURLToPath } from 'node:url';

/** A run of ffmpeg that failed, with the end of what it said. */
export class FfmpegError extends Error {
  override readonly name: string = 'FfmpegError';
}

/** A program, and what it was found by. */
export interface Ffmpeg {
  path: string;
  from: 'FFMPEG_BIN' | 'ffmpeg-static' | 'PATH' | '@ffmpeg-installer/ffmpeg';
}

/** Where `reward-forcing engine install ffmpeg` puts one: a folder of the user's cache. */
export function ffmpegFolder(): string {
  return join(process.env['XDG_CACHE_HOME'] || join(homedir(), '.cache'), 'reward-forcing', 'ffmpeg');
}

/**
 * An ffmpeg: FFMPEG_BIN, else the binary of ffmpeg-static if its install script ran, else the first on PATH, else the
 * one that `@ffmpeg-installer/ffmpeg` carries where that package is installed; null where there is none. Packages are
 * looked up from `folders`.
 *
 * @throws FfmpegError if FFMPEG_BIN names no program.
 */
export async function findFfmpeg(
  environment: NodeJS.ProcessEnv = process.env,
  folders: readonly string[] = [dirname(fileURLToPath(import.meta.url)), process.cwd(), ffmpegFolder()],
): Promise<Ffmpeg | null> {
  const { FFMPEG_BIN: named, PATH: path = '' } = environment;
  if (named) {
    if (await isProgram(named)) return { path: named, from: 'FFMPEG_BIN' };
    throw new FfmpegError(`FFMPEG_BIN is "${named}", which is no program: set it to an ffmpeg, or unset it`);
  }
  const places = path.split(delimiter).filter((folder) => folder !== '');
  const binaries = `@ffmpeg-installer/${process.platform}-${process.arch}`;
  const candidates = [
    ...folderOf('ffmpeg-static', folders).map((folder) => ({ folder, from: 'ffmpeg-static' }) as const),
    ...places.map((folder) => ({ folder, from: 'PATH' }) as const),
    ...folderOf(binaries, folders).map((folder) => ({ folder, from: '@ffmpeg-installer/ffmpeg' }) as const),
  ];
  const name = process.platform === 'win32' ? 'ffmpeg.exe' : 'ffmpeg';
  for (const { folder, from } of candidates) {
    const program = join(folder, name);
    if (await isProgram(program)) return { path: program, from };
  }
  return null;
}

/** The folder of an installed package, which holds its binary; the package itself is not run. */
function folderOf(name: string, folders: readonly string[]): string[] {
  try {
    return [dirname(createRequire(import.meta.url).resolve(`${name}/package.json`, { paths: [...folders] }))];
  } catch {
    return [];
  }
}

async function isProgram(path: string): Promise<boolean> {
  return access(path, constants.X_OK).then(
    () => true,
    () => false,
  );
}

/** What is told of a machine without ffmpeg. */
export const howToGetFfmpeg: string =
  'none was found in FFMPEG_BIN, ffmpeg-static, PATH or @ffmpeg-installer/ffmpeg: install one (`apt install ffmpeg`, ' +
  '`brew install ffmpeg`, `reward-forcing engine install ffmpeg`)';

/** Characters kept of the beginning and of the end of what ffmpeg says; a broken file makes it say megabytes. */
const [keptHead, keptTail] = [2 ** 16, 2 ** 13];

/** A run of ffmpeg under way. */
export interface FfmpegRun {
  readonly child: ChildProcess;
  /** What it said so far: the beginning. */
  said(): string;
  /** Resolves when `text` was said or the run has ended. */
  says(text: string): Promise<void>;
  /** Resolves when it has ended well, else rejects with an {@link FfmpegError}. */
  readonly ended: Promise<void>;
}

/** Starts ffmpeg; its standard input is a pipe if `hasInput`. */
export function startFfmpeg(program: string, args: readonly string[], hasInput: boolean): FfmpegRun {
  const all = ['-hide_banner', '-nostdin', ...args];
  const child = spawn(program, all, { stdio: [hasInput ? 'pipe' : 'ignore', 'pipe', 'pipe'] });
  let [head, tail] = ['', ''];
  child.stderr?.on('data', (chunk: Buffer) => {
    const text = chunk.toString();
    head += text.slice(0, keptHead - head.length);
    tail = (tail + text).slice(-keptTail);
  });
  const status = new Promise<number | NodeJS.Signals | null>((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (code, signal) => resolve(code ?? signal));
  });
  const ended = status.then((code) => {
    if (code !== 0) throw new FfmpegError(`${basename(program)} ended with ${code}: ${lastWords(tail)}`);
  });
  ended.catch(() => undefined); // whoever waits for it is told
  const says = (text: string): Promise<void> =>
    new Promise((resolve) => {
      const look = (): void => (head.includes(text) ? resolve() : undefined);
      child.stderr?.on('data', look);
      status.finally(resolve).catch(() => undefined);
      look();
    });
  return { child, said: () => head, says, ended };
}

/** The last lines of a message, without addresses, which differ from run to run, and without advice to ffmpeg's own users. */
function lastWords(text: string): string {
  const lines = text.replaceAll(/ @ 0x[0-9a-f]+/g, '').trim();
  const told = lines.split(/[\n\r]+/).filter((line) => !/deprecated/i.test(line));
  return told.slice(-4).join('; ');
}

/** Runs ffmpeg with the chunks on its standard input; resolves to its standard output and messages. */
export async function runFfmpeg(
  program: string,
  args: readonly string[],
  input: Iterable<Uint8Array> = [],
): Promise<{ output: Buffer; messages: string }> {
  const { child, said, ended } = startFfmpeg(program, args, true);
  const output: Buffer[] = [];
  child.stdout?.on('data', (chunk: Buffer) => output.push(chunk));
  // A pipe that ffmpeg closes early shows in its exit status, with a better reason.
  const fed = pipeline(Readable.from(input), child.stdin!).catch(() => undefined);
  await Promise.all([ended, fed]);
  return { output: Buffer.concat(output), messages: said() };
}
