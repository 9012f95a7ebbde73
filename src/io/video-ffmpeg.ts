import { spawn } from 'node:child_process';
import { access, constants } from 'node:fs/promises';
import { delimiter, join } from 'node:path';

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
  const { default: bundled } = await import('ffmpeg-static');
  const name = process.platform === 'win32' ? 'ffmpeg.exe' : 'ffmpeg';
  const places = path.split(delimiter).filter((folder) => folder !== '');
  const candidates = [bundled as unknown as string | null, ...places.map((folder) => join(folder, name))];
  for (const candidate of candidates) if (candidate && (await isProgram(candidate))) return candidate;
  return null;
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
  // A closed pipe shows in the exit status too, with a better reason.
  child.stdin.on('error', () => undefined);
  for (const chunk of input) {
    if (!child.stdin.write(chunk))
      await Promise.race([new Promise((resume) => child.stdin.once('drain', resume)), ended]);
  }
  child.stdin.end();
  const status = await ended;
  const text = Buffer.concat(messages).toString();
  if (status !== 0)
    throw new FfmpegError(`${program} ended with ${status}: ${text.trim().split('\n').slice(-4).join('; ')}`);
  return { output: Buffer.concat(output), messages: text };
}
