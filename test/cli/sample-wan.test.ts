import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import sharp from 'sharp';
import { beforeAll, expect, test } from 'vitest';
import { use } from '../../src/engine/index.ts';
import { readSafetensors, writeSafetensors } from '../../src/io/index.ts';
import { writeRandomWan } from '../../src/model/index.ts';
import { random } from '../../src/nn/index.ts';
import { cli, testFolder } from './run.ts';

const folder = await testFolder();
const wan = join(folder, 'wan');
const small = ['--model', wan, '--size', '16x8', '--frames', '5', '--steps', '2', '--seed', '3'];

beforeAll(async () => {
  await use('cpu');
  await writeRandomWan(wan, random.key(1));
});

test('sample --model writes a video that carries its settings, after a memory plan', async () => {
  const out = join(folder, 'video.webp');
  const { code, err } = await cli(['sample', 'A cat runs.', ...small, '--blocks', 'file', '--out', out]);
  expect(err).toMatch(/transformer, blocks file/);
  expect(code).toBe(0);
  const { pages, exif } = await sharp(await readFile(out), { animated: true }).metadata();
  expect(pages).toBe(5);
  const text = exif?.toString('latin1') ?? '';
  expect(text).toContain('"prompt":"A cat runs."');
  expect(text).toContain('"seed":"3","size":"16x8","frames":"5","steps":"2","guidance":"6","shift":"8","model":"tiny"');
});

test('sample --student runs a causal student', async () => {
  const student = join(folder, 'student.safetensors');
  const tensors = await readSafetensors(join(wan, 'diffusion_pytorch_model.safetensors'));
  await writeSafetensors(
    student,
    [...tensors].map(([name, tensor]) => [`model.${name}`, tensor] as const),
  );
  const out = join(folder, 'causal.png');
  const { code } = await cli(['sample', 'A cat runs.', ...small, '--student', student, '--out', out]);
  expect(code).toBe(0);
  expect((await sharp(out).metadata()).format).toBe('png');
});

test.each([
  [['--size', 'big'], 2, /--size is "big"/],
  [['--size', '17x8'], 2, /multiple of 4/],
  [['--frames', '6'], 2, /1 \+ a multiple of 2/],
  [['--seed', '-1'], 2, /--seed/],
  [['--blocks', 'attic'], 2, /--blocks is "attic"/],
  [['--out', join(folder, 'x.gif')], 2, /\.mp4, \.webp, \.png/],
  [['--model', join(folder, 'absent')], 1, /Wan2\.1_VAE\.pth.*huggingface\.co/],
])('%j ends with exit code %i', async (flags, wanted, message) => {
  const { code, err } = await cli(['sample', 'A cat.', ...small, '--out', join(folder, 'never.png'), ...flags]);
  expect(code).toBe(wanted);
  expect(err).toMatch(message);
});
