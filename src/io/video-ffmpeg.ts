import { spawn } from 'node:child_process';
import { access, constants } from 'node:fs/promises';
import { createRequire } from 'node:module';
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

/**
 * An ffmpeg: FFMPEG_BIN, else the binary of ffmpeg-static if its install script ran, else the first on PATH, else the
 * one that `@ffmpeg-installer/ffmpeg` carries where that package is installed; null where there is none. Packages are
 * looked up from `folders`.
 *
 * @throws FfmpegError if FFMPEG_BIN names no program.
 */
export async function findFfmpeg(
  environment: NodeJS.ProcessEnv = process.env,
  folders: readonly string[] = [dirname(fileURLToPath(import.meta.url)), process.cwd()],
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

/** Runs ffmpeg with the chunks on its standard input; resolves to its standard output and messages. */
export async function runFfmpeg(
  program: string,
  args: readonly string[],
  input: Iterable<Uint8Array> = [],
): Promise<{ output: Buffer; messages: string }> {
  const child = spawn(program, ['-hide_banner', '-nostdin', ...args], { stdio: ['pipe', 'pipe', 'pipe'] });
  const [output, messages]: [Buffer[], Buffer[]] = [[], []];
  child.stdout.on('data', (chunk: Buffer) => output.push(chunk));
  child.stderr.on('data', (chunk: Buffer) => messages.push(chunk));
  const ended = new Promise<number | null>((resolve, reject) => {
    child.on('error', reject);
    child.on('close', resolve);
  });
  // A pipe that ffmpeg closes early shows in its exit status, with a better reason.
  const fed = pipeline(Readable.from(input), child.stdin).catch(() => undefined);
  const [status] = await Promise.all([ended, fed]);
  const text = Buffer.concat(messages).toString();
  if (status !== 0) {
    const said = text.replaceAll(/ @ 0x[0-9a-f]+/g, '').trim(); // addresses differ from run to run
    throw new FfmpegError(`${basename(program)} ended with ${status}: ${said.split('\n').slice(-4).join('; ')}`);
  }
  return { output: Buffer.concat(output), messages: text };
}
