/**
 * Mutated weight files are opened and read in a process of their own: none may be loaded that contradicts itself, none
 * may end the process, take more than four times its size and 256 MiB, or more than 5 s of a processor.
 */
import { fork } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { openPth, openSafetensors, openShards, PthError, SafetensorsError } from '../../src/io/index.ts';
import type { Fuzz } from './main.ts';
import { contradiction } from './weight-checkers.ts';
import { type WeightCase, weightCase } from './weight-mutations.ts';

const mostSeconds = 5;
/** A process that says nothing for so long hangs. */
const stuckMs = 120_000;
const spareBytes = 256 * 2 ** 20;
const ownPath = fileURLToPath(import.meta.url);

/** What the reading process says of a case: null, or how it was answered wrongly. */
interface Report {
  readonly bad: string | null;
}

/** Runs the cases from `begin` to `end`; resolves to the index at which the process ended too early, or null. */
async function runBatch(
  folder: string,
  seed: number,
  [begin, end]: readonly [number, number],
  onBad: (line: string) => void,
) {
  const child = fork(ownPath, [folder, String(seed), String(begin), String(end)], { silent: true });
  const messages: Buffer[] = [];
  child.stderr?.on('data', (chunk: Buffer) => messages.push(chunk));
  child.stdout?.resume();
  const stuck = setTimeout(() => child.kill('SIGKILL'), stuckMs);
  child.on('message', ({ bad }: Report) => {
    stuck.refresh();
    if (bad !== null) onBad(bad);
  });
  const status = await new Promise<string>((resolve) => {
    child.on('close', (code, signal) => resolve(code === 0 ? '' : `${signal ?? code}`));
  });
  clearTimeout(stuck);
  if (status === '') return null;
  const at = Number(await readFile(join(folder, 'at'), 'utf8'));
  const said = Buffer.concat(messages).toString().trim().split('\n').slice(-3).join(' ');
  onBad(`seed ${seed} case ${at} (${weightCase(seed, at).name}): the process ended with ${status} ${said}`);
  return at;
}

/** Tries mutated weight files. */
export const fuzzWeights: Fuzz = async (count, seed, onBad) => {
  const folder = await mkdtemp(join(tmpdir(), 'fuzz-'));
  try {
    for (let at = 0; at < count; ) {
      const end = Math.min(count, at + 500);
      const ended = await runBatch(folder, seed, [at, end], onBad);
      at = ended === null ? end : ended + 1;
    }
  } finally {
    await rm(folder, { recursive: true });
  }
};

/** Opens a case as a user would and reads all of it; null if it was loaded, else why it was refused. */
async function load(path: string): Promise<Error | null> {
  const open = path.endsWith('.json') ? openShards : path.endsWith('.pth') ? openPth : openSafetensors;
  try {
    const file = await open(path);
    for await (const [, tensor] of file.entries({ reuse: true })) if (tensor.data.length < 0) break;
    const names = file.names();
    for (const name of names.slice(0, 4)) file.map(name);
    return null;
  } catch (error) {
    return error as Error;
  }
}

async function tryCase(folder: string, { files, open, mustRefuse }: WeightCase): Promise<string | null> {
  for (const [name, bytes] of Object.entries(files)) await writeFile(join(folder, name), bytes);
  const size = Object.values(files).reduce((sum, { length }) => sum + length, 0);
  const before = process.resourceUsage().maxRSS * 1024;
  const start = process.cpuUsage();
  const refusal = await load(join(folder, open));
  const { user, system } = process.cpuUsage(start);
  const seconds = (user + system) / 1e6;
  const grown = process.resourceUsage().maxRSS * 1024 - before;
  const isNamed = refusal instanceof PthError || refusal instanceof SafetensorsError;
  if (refusal !== null && !isNamed) return `refused by ${refusal.name}: ${refusal.message.slice(0, 200)}`;
  if (seconds > mostSeconds) return `took ${seconds.toFixed(1)} s`;
  if (grown > 4 * size + spareBytes) return `took ${Math.round(grown / 2 ** 20)} MiB for ${size} bytes`;
  if (refusal !== null) return null;
  if (mustRefuse) return 'was loaded';
  if (size > 2 ** 20) return null;
  const fault = contradiction(open, Buffer.from(files[open]!));
  return fault === null ? null : `was loaded in spite of ${fault}`;
}

async function runChild([folder = '', seed, begin, end]: readonly string[]): Promise<void> {
  for (let at = Number(begin); at < Number(end); at++) {
    await writeFile(join(folder, 'at'), String(at));
    const made = weightCase(Number(seed), at);
    const fault = await tryCase(folder, made);
    const bad = fault === null ? null : `seed ${seed} case ${at} (${made.name}): ${fault}`;
    process.send?.({ bad } satisfies Report);
  }
  process.disconnect();
}

if (process.send !== undefined && process.argv[1] === ownPath) await runChild(process.argv.slice(2));
