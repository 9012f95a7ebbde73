import type { ChildProcess } from 'node:child_process';
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import sharp from 'sharp';
import { beforeAll, describe, expect, test } from 'vitest';
import { use } from '../../src/engine/index.ts';
import { readSafetensors, readVideo, writeSafetensors } from '../../src/io/index.ts';
import { findFfmpeg } from '../../src/io/internal.ts';
import { openWan, saveLora } from '../../src/model/index.ts';
import type { WanConfig } from '../../src/model/internal.ts';
import { writeRandomWan } from '../../src/model/wan-folder/random-wan.ts';
import { lora, type Net, random } from '../../src/nn/index.ts';
import { writeStudent } from '../model/student-checkpoint.ts';
import { cli, testFolder } from './run.ts';

const folder = await testFolder();
const wan = join(folder, 'wan');
const ffmpeg = await findFfmpeg();
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
  expect(text).toContain(
    '"seed":"3","size":"16x8","frames":"5","steps":"2","guidance":"6","shift":"8","solver":"unipc","model":"tiny"',
  );
});

test('sample --student runs a causal student from its training checkpoint, which doctor --weights recognises', async () => {
  const student = join(folder, 'self_forcing_dmd.pt');
  const tensors = await readSafetensors(join(wan, 'diffusion_pytorch_model.safetensors'));
  await writeStudent(student, { generator: tensors, generator_ema: tensors });
  const out = join(folder, 'causal.png');
  const video = ['--model', wan, '--size', '16x8', '--frames', '5', '--seed', '3'];
  const causal = ['--student', student, '--window', '2', '--blocks', 'file'];
  const { code } = await cli(['sample', 'A cat runs.', ...video, ...causal, '--out', out]);
  expect(code).toBe(0);
  const { format, comments } = await sharp(out).metadata();
  expect(format).toBe('png');
  const written = Object.fromEntries((comments ?? []).map(({ keyword, text }) => [keyword, text]));
  const { Software: _, ...settings } = written;
  const asked = { prompt: 'A cat runs.', seed: '3', size: '16x8', frames: '5', student, window: '2', model: 'tiny' };
  expect(settings).toEqual(asked); // steps, guidance and shift had no effect
  const { out: report } = await cli(['doctor', '--weights', student]);
  expect(report).toMatch(/generator_ema/);
  expect(report).toMatch(/wan.*tiny/i);
});

test('sample --lora lays LoRAs over the transformer, names what does not fit, and writes them into the video', async () => {
  await use('cpu');
  const { net, dispose } = await openWan(wan);
  const student = lora(net as Net<WanConfig>, { rank: 2 });
  const [good, odd, out] = ['good.safetensors', 'odd.safetensors', 'lora.png'].map((name) => join(folder, name));
  await saveLora(student, good!, { naming: 'comfyui' });
  student.dispose();
  dispose();
  const tensors = await readSafetensors(good!);
  const strange = [...tensors].map(([name, tensor]) => [name.replace('blocks.0', 'blocks.7'), tensor] as const);
  await writeSafetensors(odd!, new Map([...strange, ...tensors]));
  const loras = ['--lora', `${good}:0.5`, '--lora', odd!, '--blocks', 'file'];
  const { code, err } = await cli(['sample', 'A cat runs.', ...small, '--frames', '1', ...loras, '--out', out!]);
  expect(err).toMatch(/odd\.safetensors: the transformer has no place for\n {2}diffusion_model\.blocks\.7/);
  expect(err).toMatch(/LoRA/); // in the memory plan
  expect(code).toBe(0);
  const { comments } = await sharp(out).metadata();
  expect(comments).toContainEqual({ keyword: 'lora', text: `${good}:0.5, ${odd}` });
});

test('size and seed as Wan takes them; a random seed is written down', async () => {
  const out = join(folder, 'random.png');
  const as = ['--size', '16*8', '--seed', '-1', '--solver', 'euler', '--shift', '3', '--guidance', '1'];
  const { code } = await cli(['sample', 'A cat runs.', ...small, '--frames', '1', ...as, '--out', out]);
  expect(code).toBe(0);
  const { comments } = await sharp(out).metadata();
  const written = Object.fromEntries((comments ?? []).map(({ keyword, text }) => [keyword, text]));
  expect(written).toMatchObject({ size: '16x8', seed: expect.stringMatching(/^\d+$/), solver: 'euler', guidance: '1' });
});

test.each(['', '一只猫在跑。قطة 🐈‍⬛', 'word '.repeat(2000), '猫'.repeat(30000)])(
  'prompt %# becomes a video',
  async (prompt) => {
    const out = join(folder, 'prompt.png');
    const { code, err } = await cli(['sample', prompt, ...small, '--frames', '1', '--steps', '1', '--out', out]);
    expect([code, err.match(/error/i)]).toEqual([0, null]);
  },
);

test('a video that does not fit into memory is refused before the weights are read', async () => {
  const { code, err } = await cli([
    'sample',
    'A cat.',
    ...small,
    '--size',
    '48000x32000',
    '--out',
    join(folder, 'x.png'),
  ]);
  expect(code).toBe(1);
  expect(err).toMatch(/does not fit into.*\nerror: the run needs about/);
});

test('an interrupt says that nothing was written', async () => {
  const out = join(folder, 'never.png');
  let sent = false;
  const during = (child: ChildProcess, text: string): void => {
    if (sent || !text.includes('denoising: ')) return;
    sent = child.kill('SIGINT');
  };
  const { code, err } = await cli(['sample', 'A cat.', ...small, '--steps', '100000', '--out', out], { during });
  expect([code, err]).toEqual([130, expect.stringMatching(/stopped; nothing was written/)]);
});

describe('MP4', () => {
  test.skipIf(ffmpeg === null)('carries its settings (needs ffmpeg, or FFMPEG_BIN)', async () => {
    const out = join(folder, 'video.mp4');
    const { code } = await cli(['sample', '猫 "runs".', ...small, '--out', out]);
    expect(code).toBe(0);
    const bytes = await readFile(out);
    expect(bytes.toString('latin1', 4, 8)).toBe('ftyp');
    expect(bytes.toString('utf8')).toContain('{"prompt":"猫 \\"runs\\".","seed":"3","size":"16x8","frames":"5"');
    expect(await readVideo(out)).toMatchObject({ frames: 5, width: 16, height: 8, fps: 16 }); // at its own size
  });

  /** An ffmpeg that is a shell script; $out is the file that it should write. */
  async function pretend(script: string): Promise<NodeJS.ProcessEnv> {
    const path = join(folder, 'ffmpeg');
    await writeFile(path, `#!/bin/sh\nfor out; do :; done\n${script}\n`, { mode: 0o755 });
    return { FFMPEG_BIN: path };
  }

  test.each([
    ['fails midway', 'echo half > "$out"; echo "No space left on device" >&2; exit 1', /No space left on device/],
    ['is killed', 'echo half > "$out"; kill -9 $$', /ffmpeg ended with/],
    ['writes nothing', 'exit 0', /clip\.mp4/],
  ])('an ffmpeg that %s leaves the file that was there, and no other', async (_, script, message) => {
    const place = join(folder, 'kept');
    await mkdir(place, { recursive: true });
    await writeFile(join(place, 'video.mp4'), 'before');
    const args = ['sample', 'A cat.', ...small, '--frames', '1', '--steps', '1', '--out', join(place, 'video.mp4')];
    const { code, err } = await cli(args, { env: await pretend(script) });
    expect(code).toBe(1);
    expect(err).toMatch(message);
    expect(await readdir(place)).toEqual(['video.mp4']);
    expect(await readFile(join(place, 'video.mp4'), 'utf8')).toBe('before');
  });

  test('without ffmpeg is refused before any work', async () => {
    if ((await findFfmpeg({ PATH: '' })) !== null) return; // one is installed as a package
    const started = await cli(['sample', 'A cat.', ...small, '--out', join(folder, 'never.mp4')], {
      env: { PATH: '', FFMPEG_BIN: '' },
    });
    expect(started.code).toBe(2);
    expect(started.err).toMatch(/MP4 needs ffmpeg/);
    expect(started.err).not.toMatch(/transformer/);
  });
});

test.each([
  [['--size', 'big'], 2, /--size is "big"/],
  [['--size', '17x8'], 2, /multiple of 4/],
  [['--frames', '6'], 2, /1 \+ a multiple of 2/],
  [['--seed', '-2'], 2, /--seed.*or -1 for a random one/],
  [['--blocks', 'attic'], 2, /--blocks is "attic"/],
  [['--out', join(folder, 'x.gif')], 2, /\.mp4, \.webp, \.png/],
  [['--seed', '18446744073709551616'], 2, /--seed.*below 2\^64/],
  [['--guidance', '-1'], 2, /guidanceScale: wanted a number of at least 0/],
  [['--shift', '0'], 2, /shift: wanted a number above 0/],
  [['--solver', 'ddim'], 2, /--solver is "ddim": use unipc, dpm\+\+, euler, heun/],
  [['--network', 'teacher'], 2, /--network: only for the small scale/],
  [['--sink', '1'], 2, /--sink: only for a causal student/],
  [['--student', 'a.pt', '--shift', '5'], 2, /--steps, --shift: a causal student takes four steps/],
  [['--lora', 'style.safetensors:much'], 2, /--lora is "style.safetensors:much": wanted FILE or FILE:scale/],
  [['--lora', join(wan, 'Wan2.1_VAE.safetensors')], 1, /no LoRA is in it/],
  [['--model', join(folder, 'absent')], 1, /Wan2\.1_VAE\.pth.*huggingface\.co/],
])('%j ends with exit code %i', async (flags, wanted, message) => {
  const { code, err } = await cli(['sample', 'A cat.', ...small, '--out', join(folder, 'never.png'), ...flags]);
  expect(code).toBe(wanted);
  expect(err).toMatch(message);
});
