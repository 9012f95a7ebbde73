import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { watch } from 'node:fs';
import { mkdir, readdir, readFile, rm, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import type { HostTensor } from '../../src/io/index.ts';
import {
  type CheckpointTensors,
  checkpointSteps,
  newestCheckpoint,
  pruneCheckpoints,
  readCheckpointFile,
  verifyCheckpoint,
  writeCheckpoint,
} from '../../src/train/run/checkpoint.ts';
import { RunFolder } from '../../src/train/run/run-folder.ts';
import { temporaryFolder } from './small.ts';

const about = { stage: 'test', seed: 7, engine: 'cpu', versions: { node: '20' } };

function tensors(value: number): CheckpointTensors {
  const weight: HostTensor = { dtype: 'float32', shape: [3], data: new Float32Array(3).fill(value) };
  return new Map([['model', new Map([['weight', weight]])]]);
}

async function withCheckpoints(...steps: number[]): Promise<string> {
  const folder = await temporaryFolder();
  for (const step of steps) await writeCheckpoint(folder, tensors(step), { ...about, step });
  return folder;
}

const silent = (): void => undefined;

describe('checkpoints', () => {
  test('come back as they were written, with what made them', async () => {
    const folder = await withCheckpoints(1, 12);
    const found = await newestCheckpoint(folder, silent);
    expect(found?.manifest).toMatchObject({ format: 2, step: 12, ...about });
    expect(found?.manifest.files[0]).toMatchObject({
      name: 'model.safetensors',
      sha256: expect.stringMatching(/^[0-9a-f]{64}$/),
    });
    const model = await readCheckpointFile(found?.path as string, 'model');
    expect(Array.from(model.get('weight')?.data as Float32Array)).toEqual([12, 12, 12]);
    expect(await readFile(join(folder, 'latest'), 'utf8')).toBe('step-12\n');
  });

  test('the same step again replaces the old one', async () => {
    const folder = await withCheckpoints(3);
    await writeCheckpoint(folder, tensors(9), { ...about, step: 3 });
    const model = await readCheckpointFile(join(folder, 'step-3'), 'model');
    expect(model.get('weight')?.data[0]).toBe(9);
    expect((await readdir(folder)).sort()).toEqual(['latest', 'step-3']);
  });

  test('pruning keeps the newest by number, not by name', async () => {
    const folder = await withCheckpoints(2, 9, 10, 100);
    await pruneCheckpoints(folder, 2);
    expect(await checkpointSteps(folder)).toEqual([100, 10]);
  });

  test.each([
    ['cut off', (path: string) => truncate(join(path, 'model.safetensors'), 20), /has 20 bytes instead of \d+/],
    ['changed', (path: string) => flip(join(path, 'model.safetensors')), /damaged \(its hash differs\)/],
    ['lost', (path: string) => rm(join(path, 'model.safetensors')), /model.safetensors is missing/],
    ['without a manifest', (path: string) => rm(join(path, 'manifest.json')), /manifest.json cannot be read/],
    ['of another format', (path: string) => writeFile(join(path, 'manifest.json'), '{}'), /another format/],
  ])('a checkpoint that is %s is passed over with a message', async (_, damage, message) => {
    const folder = await withCheckpoints(1, 2);
    await damage(join(folder, 'step-2'));
    await expect(verifyCheckpoint(join(folder, 'step-2'))).rejects.toThrow(message);
    const warnings: string[] = [];
    const found = await newestCheckpoint(folder, (warning) => warnings.push(warning));
    expect(found?.manifest.step).toBe(1);
    expect(warnings).toHaveLength(1);
    expect(warnings[0]).toMatch(message);
    expect(warnings[0]).toContain('going back to the checkpoint before it');
  });

  test('a failing write leaves no folder behind, neither final nor aside', async () => {
    const folder = await withCheckpoints(1);
    const broken = new Map([
      ['model', new Map([['weight', { dtype: 'float32', shape: [4], data: new Float32Array(3) }]])],
    ]);
    await expect(writeCheckpoint(folder, broken as CheckpointTensors, { ...about, step: 2 })).rejects.toThrow();
    expect((await readdir(folder)).sort()).toEqual(['latest', 'step-1']);
  });

  test('killed in the middle of a write, only whole checkpoints have a final name', async () => {
    const run = await temporaryFolder();
    const folder = join(run, 'checkpoints');
    await mkdir(folder);
    await killedWhileWriting(folder, 'step-2');

    const steps = await checkpointSteps(folder);
    expect(steps.length).toBeGreaterThan(0);
    for (const step of steps)
      await expect(verifyCheckpoint(join(folder, `step-${step}`))).resolves.toMatchObject({ step });
    expect((await readdir(folder)).some((name) => name.endsWith('.tmp'))).toBe(true);

    const opened = await RunFolder.open(run, { config: {}, onWarning: silent });
    expect(opened.resumePoint?.step).toBe(steps[0]);
    expect((await readdir(folder)).some((name) => name.endsWith('.tmp'))).toBe(false);
    await opened.close();
  });
});

/** Starts the writer and kills it as soon as it has begun the checkpoint after the given one. */
async function killedWhileWriting(folder: string, after: string): Promise<void> {
  const writer = fileURLToPath(new URL('checkpoint-writer.ts', import.meta.url));
  const child = spawn(process.execPath, ['--import', 'tsx', writer, folder], { stdio: 'ignore' });
  const seen = new Set<string>();
  const watcher = watch(folder, (_, name) => {
    if (name) seen.add(name);
    if (seen.has(after) && name?.startsWith('.step-3.')) child.kill('SIGKILL');
  });
  await once(child, 'exit');
  watcher.close();
}

async function flip(path: string): Promise<void> {
  const bytes = await readFile(path);
  bytes[bytes.length - 1]! ^= 1;
  await writeFile(path, bytes);
}
