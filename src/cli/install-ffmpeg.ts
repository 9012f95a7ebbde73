/** `reward-forcing engine install ffmpeg`: an ffmpeg of one's own, in a folder of the user's cache. */
import { spawnSync } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { ffmpegFolder, findFfmpeg } from '../io/internal.ts';

type Invocation = readonly [command: string, ...args: string[]];

/**
 * What is tried in turn: the binary of ffmpeg-static, which that package's own script downloads from GitHub, asked for
 * here by name; else the older one that `@ffmpeg-installer` has in the registry itself.
 */
export function ffmpegCommands(folder: string): readonly (readonly Invocation[])[] {
  const fetch = (name: string): Invocation => [
    ...(['npm', 'install', '--ignore-scripts', '--no-audit', '--no-fund', '--prefix', folder] as const),
    name,
  ];
  return [
    [fetch('ffmpeg-static@5.3'), [process.execPath, join(folder, 'node_modules', 'ffmpeg-static', 'install.js')]],
    [fetch(`@ffmpeg-installer/${process.platform}-${process.arch}`)],
  ];
}

/**
 * Fetches an ffmpeg and returns its path. `say` hears each command before it runs.
 *
 * @throws Error if none of the ways brings one.
 */
export async function installFfmpeg(say: (text: string) => void): Promise<string> {
  const folder = ffmpegFolder();
  mkdirSync(folder, { recursive: true });
  const asked = { ...process.env, FFMPEG_BIN: '', PATH: '' };
  for (const way of ffmpegCommands(folder)) {
    if (!way.every((command) => succeeds(command, say))) continue;
    const found = await findFfmpeg(asked, [folder]);
    if (found) return found.path;
  }
  throw new Error('no ffmpeg could be fetched: what was tried stands above; install one, and name it in FFMPEG_BIN');
}

function succeeds([command, ...args]: Invocation, say: (text: string) => void): boolean {
  say([command, ...args].join(' '));
  const isNpm = command === 'npm';
  // npm is a script on Windows, and FFMPEG_BIN would tell ffmpeg-static not to fetch anything
  const { FFMPEG_BIN: _, ...env } = process.env;
  const options = { stdio: ['ignore', 2, 2] as ['ignore', 2, 2], shell: isNpm && process.platform === 'win32', env };
  return spawnSync(command, args, options).status === 0;
}
