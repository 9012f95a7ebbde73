/** The built command line as a child process. */
import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll } from 'vitest';

const script = fileURLToPath(new URL('../../dist/src/cli.js', import.meta.url));

/** How a command ended. */
export interface Ended {
  code: number | null;
  out: string;
  err: string;
}

/** Runs a command; `during` gets the process and hears what it writes to standard error. */
export async function cli(
  args: readonly string[],
  { env = {}, during }: { env?: NodeJS.ProcessEnv; during?: (child: ChildProcess, err: string) => void } = {},
): Promise<Ended> {
  if (!existsSync(script)) throw new Error(`${script} is missing: "npm run build" makes it`);
  const child = spawn(process.execPath, [script, ...args], { env: { ...process.env, ...env } });
  const ended: Ended = { code: null, out: '', err: '' };
  child.stdout.on('data', (chunk: Buffer) => {
    ended.out += chunk.toString();
  });
  child.stderr.on('data', (chunk: Buffer) => {
    ended.err += chunk.toString();
    during?.(child, ended.err);
  });
  ended.code = await new Promise<number | null>((resolve) => child.on('close', resolve));
  return ended;
}

/** A folder for the tests of this file. */
export async function testFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'cli-'));
  afterAll(() => rm(folder, { recursive: true, force: true }));
  return folder;
}
