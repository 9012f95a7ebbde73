import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdir, readFile, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, onTestFinished, test } from 'vitest';
import { use } from '../../src/engine/index.ts';
import { RunFolder } from '../../src/train/run/run-folder.ts';
import { collect, logOf, stages, temporaryFolder, valuesOf } from './small.ts';

describe('a run folder', () => {
  test('is refused while a process that lives holds it, and taken over once that is killed', async () => {
    const folder = await temporaryFolder();
    const holder = await hold(folder);
    await expect(RunFolder.open(folder, { config: {} })).rejects.toThrow(
      new RegExp(
        `held by a run of process ${holder.pid}, since .*wait until it ends, stop it with: kill ${holder.pid}`,
      ),
    );
    holder.kill('SIGKILL');
    await once(holder, 'exit');

    const taken = await RunFolder.open(folder, { config: {} });
    expect(await lockOf(folder)).toMatchObject({ pid: process.pid });
    await taken.close();
    expect((await readdir(folder)).filter((name) => name.includes('lock'))).toEqual([]);
  });

  test('is not believed to be held by a process that only has the number of the one before', async () => {
    const folder = await temporaryFolder();
    const holder = await hold(folder);
    await writeFile(join(folder, 'lock.json'), `${JSON.stringify({ ...(await lockOf(folder)), birth: 'another' })}\n`);
    await (await RunFolder.open(folder, { config: {} })).close();
    holder.kill('SIGKILL');
  });

  test('of another machine is believed, and the message says what to delete', async () => {
    const folder = await temporaryFolder();
    const first = await RunFolder.open(folder, { config: {} });
    await writeFile(join(folder, 'lock.json'), `${JSON.stringify({ ...(await lockOf(folder)), host: 'elsewhere' })}\n`);
    await expect(RunFolder.open(folder, { config: {} })).rejects.toThrow(/on elsewhere.*delete .*lock\.json/);
    await first.close();
  });

  test('goes to one of several that find a dead lock', async () => {
    const folder = await temporaryFolder();
    const dead = { pid: 2 ** 22 + 1, host: (await hostOf(folder)) as string, since: '', birth: null, run: 'dead' };
    await writeFile(join(folder, 'lock.json'), `${JSON.stringify(dead)}\n`);
    const holders = await Promise.allSettled([hold(folder), hold(folder), hold(folder)]);
    expect(holders.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
  });

  test('with a lock cut short is taken over once nobody can be writing it', async () => {
    const folder = await temporaryFolder();
    await writeFile(join(folder, 'lock.json'), '{"pid"');
    await expect(RunFolder.open(folder, { config: {} })).rejects.toThrow('is being taken by another run');
    const nextYear = new Date().getFullYear() + 1; // the clock may have been set back since
    for (const written of [new Date(0), new Date(nextYear, 0)]) {
      await writeFile(join(folder, 'lock.json'), '{"pid"');
      await utimes(join(folder, 'lock.json'), written, written);
      await (await RunFolder.open(folder, { config: {} })).close();
    }
  });

  test.each([
    'null\n',
    '[]\n',
    '{"pid": 7}\n',
    '{"pid": "x", "host": "", "since": "", "birth": null, "run": ""}\n',
    'no\n',
  ])('with a lock that is none of ours (%j) is refused with the path of what to delete', async (text) => {
    const folder = await temporaryFolder();
    await writeFile(join(folder, 'lock.json'), text);
    const opened = RunFolder.open(folder, { config: {} });
    await expect(opened).rejects.toThrow(`${join(folder, 'lock.json')} is no lock of ours`);
  });
});

test('a run begun again in the same process goes on in its folder; the one before fails at its next step', async () => {
  await use('cpu');
  const make = stages['teacher']!;
  const [whole, first, second] = [make(), make(), make()];
  const [wholeFolder, folder] = [await temporaryFolder(), await temporaryFolder()];
  await collect(whole.run({ steps: 4, seed: 'run', folder: wholeFolder }));

  const earlier = first.run({ steps: 4, seed: 'run', folder, saveEvery: 2 });
  for (let i = 0; i < 3; i++) await earlier.next();
  const later = second.run({ steps: 4, seed: 'run', folder });
  expect((await later.next()).value).toMatchObject({ step: 3 });
  await expect(earlier.next()).rejects.toThrow('a later run has taken over');
  await collect(later);

  expect(await valuesOf(second.trained)).toEqual(await valuesOf(whole.trained));
  expect(await logOf(folder)).toEqual(await logOf(wholeFolder));
  for (const prepared of [whole, first, second]) prepared.dispose();
});

/** A process that holds the folder; rejects with what it says if it cannot. */
async function hold(folder: string): Promise<ChildProcess> {
  const program = fileURLToPath(new URL('lock-holder.ts', import.meta.url));
  const child = spawn(process.execPath, ['--import', 'tsx', program, folder], { stdio: ['ignore', 'pipe', 'pipe'] });
  onTestFinished(() => void child.kill('SIGKILL'));
  let complaint = '';
  child.stderr.on('data', (data: Buffer) => {
    complaint += data.toString();
  });
  const held = once(child.stdout, 'data');
  const ended = once(child, 'exit').then(() => Promise.reject(new Error(complaint)));
  await Promise.race([held, ended]);
  ended.catch(() => undefined);
  return child;
}

async function lockOf(folder: string): Promise<Record<string, unknown>> {
  return JSON.parse(await readFile(join(folder, 'lock.json'), 'utf8')) as Record<string, unknown>;
}

async function hostOf(folder: string): Promise<unknown> {
  const opened = await RunFolder.open(folder, { config: {} });
  const { host } = await lockOf(folder);
  await opened.close();
  return host;
}
