import { spawn } from 'node:child_process';
import { access, constants } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { delimiter, dirname, join } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';

/** A run of ffmpeg that failed, with the end of what it said. */
export class FfmpegError extends Error {
  override readonly name: string = 'FfmpegError';
}

/**
 * Path of an ffmpeg: FFMPEG_BIN, else the binary of ffmpeg-static if its install script ran, else the first on PATH;
 * null where there is none.
 *
 * @throws FfmpegError if FFMPEG_BIN names no program.
 */
export async function findFfmpeg(environment: NodeJS.ProcessEnv = process.env): Promise<string | null> {
  const { FFMPEG_BIN: named, PATH: path = '' } = environment;
  if (named) {
    if (await isProgram(named)) return named;
    throw new FfmpegError(`FFMPEG_BIN is "${named}", which is no program: set it to an ffmpeg, or unset it`);
  }
  const name = process.platform === 'win32' ? 'ffmpeg.exe' : 'ffmpeg';
  const places = path.split(delimiter).filter((folder) => folder !== '');
  const candidates = [...bundledFolder(), ...places].map((folder) => join(folder, name));
  for (const candidate of candidates) if (await isProgram(candidate)) return candidate;
  return null;
}

/** Where ffmpeg-static puts its binary; the package itself is not run, as it would read the environment once for all. */
function bundledFolder(): string[] {
  try {
    return [dirname(createRequire(import.meta.url).resolve('ffmpeg-static/package.json'))];
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
  if (status !== 0)
    throw new FfmpegError(`${program} ended with ${status}: ${text.trim().split('\n').slice(-4).join('; ')}`);
  return { output: Buffer.concat(output), messages: text };
}
