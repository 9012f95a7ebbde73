/** The smoke recipe through the built command line: from scratch, stopped, killed, damaged. */
import { readdirSync } from 'node:fs';
import { readdir, readFile, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { cli, testFolder } from '../cli/run.ts';

const folder = await testFolder();
const out = join(folder, 'out');
const scratch = ['demo', '--from-scratch', '--recipe', 'smoke', '--threads', '1', '--out', out];
const weights = join(out, 'from-scratch', 'shipped');

/** Sends a signal once a stage shows in the progress. */
const at = (stage: string, signal: NodeJS.Signals) => {
  let isSent = false;
  return (child: { kill(signal: NodeJS.Signals): boolean }, err: string): void => {
    if (isSent || !new RegExp(`^${stage}: |^cell .*: ${stage}`, 'm').test(err)) return;
    isSent = child.kill(signal);
  };
};

test('Ctrl-C while a stage trains ends it with 130, a killed run leaves nothing under a final name', async () => {
  const stopped = await cli(scratch, { during: at('teacher', 'SIGINT') });
  expect(stopped.code).toBe(130);
  expect(stopped.err).toContain('run the same command again to go on');
  expect(stopped.err).not.toMatch(/\n +at /);
  expect(await readdir(join(out, 'from-scratch', 'weights'))).toEqual(['vae.safetensors']);

  const killed = await cli(scratch, { during: at('judge', 'SIGKILL') });
  expect(killed.code).toBeNull();
  const left = (await readdir(join(out, 'from-scratch', 'weights'))).filter((name) => name.endsWith('.safetensors'));
  expect(left.sort()).toEqual(['distilled', 'ode', 'reward', 'teacher', 'vae'].map((name) => `${name}.safetensors`));
  expect(readdirSync(out)).toEqual(['from-scratch']);
}, 120_000);

test('run again it goes on, compares the variants, ships the weights and shows the demo', async () => {
  const { code, out: said, err } = await cli(scratch);
  expect(code, err).toBe(0);
  expect(err).not.toMatch(/^(vae-1|latents|distil|ode): /m);
  expect(err).toMatch(/^compare: phase 2, random frame/m);
  expect(said).toContain(join(out, 'report.html'));
  const results = JSON.parse(await readFile(join(out, 'from-scratch', 'results.json'), 'utf8'));
  expect(Object.keys(results.outcomes)).toContain('phase 2, all frames');
  expect(results.claims).toHaveLength(10);
  const names = await readdir(weights);
  expect(names).toEqual(expect.arrayContaining(['curves.json', 'manifest.json', 'results.json', 'results.md']));
  expect(names.filter((name) => name.endsWith('.safetensors'))).toHaveLength(8);
  expect(await readFile(join(out, 'report.html'), 'utf8')).toContain('What the whole run shows');
}, 400_000);

test('a sample is written for a prompt, the same for the same seed', async () => {
  const bytes: Buffer[] = [];
  for (const name of ['a.png', 'b.png']) {
    const path = join(folder, name);
    const prompt = 'a red digit three moves left slowly';
    const { code, err } = await cli(['sample', prompt, '--seed', '4', '--out', path, '--weights', weights]);
    expect(code, err).toBe(0);
    bytes.push(await readFile(path));
  }
  expect(bytes[0]!.equals(bytes[1]!)).toBe(true);
});

test('Ctrl-C in the demo leaves no report and no results', async () => {
  const stopped = join(folder, 'stopped');
  const args = ['demo', '--out', stopped, '--weights', weights];
  const { code } = await cli(args, { during: at('Before and after', 'SIGINT') });
  expect(code).toBe(130);
  expect(await readdir(stopped)).toEqual([]);
}, 240_000);

test('without ffmpeg clips are WebP, and that is said', async () => {
  const bare = join(folder, 'bare');
  const env = { PATH: '', FFMPEG_BIN: '' };
  const { code, err } = await cli(['demo', '--out', bare, '--weights', weights], { env });
  expect(code, err).toBe(0);
  const { codec } = JSON.parse(await readFile(join(bare, 'results.json'), 'utf8')) as { codec: string };
  if (codec === 'webp') expect(err).toContain('no ffmpeg with H.264 was found: clips are written as animated WebP');
}, 240_000);

test('an FFMPEG_BIN that names no program is an error before any work', async () => {
  const env = { FFMPEG_BIN: join(folder, 'no-such-program') };
  const { code, err } = await cli(['demo', '--out', join(folder, 'x'), '--weights', weights], { env });
  expect(code).toBe(1);
  expect(err).toMatch(/FFMPEG_BIN is .* no program/);
});

test('truncated weights are named, and nothing is written', async () => {
  await truncate(join(weights, 'vae.safetensors'), 5000);
  const empty = join(folder, 'empty');
  const { code, err } = await cli(['demo', '--out', empty, '--weights', weights]);
  expect(code).toBe(1);
  expect(err).toMatch(/vae\.safetensors has sha256 [0-9a-f]{64}, the manifest says .*damaged/);
  expect(await readdir(empty)).toEqual([]);
});

test('a damaged manifest is named', async () => {
  await writeFile(join(weights, 'manifest.json'), '{"files":');
  const { code, err } = await cli(['demo', '--out', join(folder, 'empty'), '--weights', weights]);
  expect(code).toBe(1);
  expect(err).toMatch(/manifest\.json is not JSON/);
});
