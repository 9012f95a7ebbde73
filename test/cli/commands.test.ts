import { spawnSync } from 'node:child_process';
import { readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { type HostTensor, writeSafetensors } from '../../src/io/index.ts';
import * as model from '../../src/model/internal.ts';
import { archive, dictionary, op } from '../io/pth-writer.ts';
import { cli, testFolder } from './run.ts';

const folder = await testFolder();
const file = join(folder, 'file');
await writeFile(file, 'in the way');

test('--version is that of package.json', async () => {
  const { version } = JSON.parse(await readFile('package.json', 'utf8')) as { version: string };
  expect(await cli(['--version'])).toEqual({ code: 0, out: `${version}\n`, err: '' });
});

test('--help lists every command', async () => {
  const { code, out } = await cli(['--help']);
  expect(code).toBe(0);
  for (const name of ['demo', 'sample', 'doctor', 'kernel', 'notebook'])
    expect(out).toMatch(new RegExp(`^ +${name}`, 'm'));
});

test.each([
  ['an unknown command', ['paint'], /unknown command 'paint'/],
  ['no command', [], /Usage: reward-forcing/],
  ['an unknown option', ['demo', '--colour'], /unknown option '--colour'/],
  ['an unknown recipe', ['demo', '--recipe', 'huge'], /no recipe "huge": use study or smoke/],
  [
    'an unknown engine',
    ['demo', '--out', folder, '--engine', 'abacus'],
    /no engine "abacus": use onnx, xla, tensorflow, cpu, auto/,
  ],
  ['a number of threads that is none', ['demo', '--threads', 'many'], /whole number/],
  ['a flag of the official models', ['sample', 'x', '--steps', '9'], /--steps: only for official models/],
  ['an unknown network', ['sample', 'x', '--network', 'gan'], /no network "gan": use teacher/],
  ['a prompt outside the vocabulary', ['sample', 'a pink digit'], /a pink digit.*for example "a red digit/],
  [
    'an unknown format',
    ['sample', 'a red digit one moves up slowly', '--out', 'a.gif'],
    /a\.gif.*\.mp4, \.webp, \.png/,
  ],
  ['a file that holds no weights', ['doctor', '--weights', 'package.json'], /wanted \.safetensors/],
])('%s is a usage error: exit code 2 and what to do', async (_, args, message) => {
  const { code, out, err } = await cli(args);
  expect(code).toBe(2);
  expect(out).toBe('');
  expect(err).toMatch(message);
  expect(err).not.toMatch(/\n +at /);
});

test('an output folder that cannot be made fails before any work, in one paragraph', async () => {
  const { code, err } = await cli(['demo', '--out', join(file, 'out')]);
  expect(code).toBe(1);
  expect(err).toBe(
    `error: cannot write to the folder ${join(file, 'out')}: a part of the path is a file; choose another folder\n`,
  );
});

test('--verbose adds the stack and its cause', async () => {
  const { code, err } = await cli(['--verbose', 'demo', '--out', join(file, 'out')]);
  expect(code).toBe(1);
  expect(err).toMatch(/\n +at /);
  expect(err).toContain('caused by: Error: ENOTDIR');
});

test('weights without a manifest are named, with the command that makes them', async () => {
  const { code, err } = await cli(['demo', '--out', join(folder, 'out'), '--weights', folder]);
  expect(code).toBe(1);
  expect(err).toMatch(
    /^error: .*manifest\.json is missing: train the weights with "npm run demo -- --from-scratch".*\n$/,
  );
});

test.each([
  ['cut short', (text: string) => text.slice(0, 500), 'is not JSON'],
  ['nothing', () => 'null', 'lacks files, recipe, seed'],
  ["another program's", () => '{"files":5,"recipe":{},"seed":1}', 'lacks files, recipe'],
])('a manifest that is %s is named', async (_, change, message) => {
  const path = join(folder, 'manifest.json');
  await writeFile(path, change(await readFile('data/study/manifest.json', 'utf8')));
  const { code, err } = await cli([
    'sample',
    'a red digit one moves up slowly',
    '--engine',
    'cpu',
    '--weights',
    folder,
  ]);
  await rm(path);
  expect(code).toBe(1);
  expect(err).toMatch(new RegExp(`^error: ${path}:? ${message}`));
});

test('doctor says what is there and what is missing', async () => {
  const { code, out } = await cli(['doctor'], { env: { FFMPEG_BIN: '', PATH: '' } });
  expect(code).toBe(0);
  expect(out).toMatch(/^ok +engine onnx +cpu .*onnxruntime/m);
  expect(out).toMatch(/^missing +python/m);
  expect(out).toMatch(/^(ok|missing) +video/m);
});

test('doctor names an engine once a line, in columns', async () => {
  const { out } = await cli(['doctor'], { env: { FFMPEG_BIN: '', PATH: '', TF_LIB_DIR: '', REWARD_FORCING_PJRT: '' } });
  const engines = out.split('\n').filter((line) => /^\w+ +engine /.test(line));
  expect(engines.map((line) => line.slice(0, 9 + 'engine tensorflow'.length).trimEnd())).toEqual([
    'ok       engine onnx',
    expect.stringMatching(/^(ok|missing) +engine xla$/),
    expect.stringMatching(/^(ok|missing) +engine tensorflow$/),
    'ok       engine cpu',
  ]);
  expect(out).not.toMatch(/engine tensorflow.*engine tensorflow:/);
});

test('licences names every package that runs with this one', async () => {
  const { code, out } = await cli(['licences']);
  expect(code).toBe(0);
  for (const line of [
    /^Apache-2\.0 +reward-forcing \d/m,
    /^MIT +onnxruntime-node \d/m,
    /^LGPL.* @img\/sharp-libvips-/m,
  ]) {
    expect(out).toMatch(line);
  }
  expect(out).not.toMatch(/^not named/m);
  expect(out).not.toContain('vitest');
});

test.each([
  [['engine', 'install', 'paint'], /Allowed choices are xla, tensorflow, ffmpeg/],
  [['engine', 'install', 'ffmpeg', '--gpu'], /--gpu: only for tensorflow/],
  [['engine', 'install', 'tensorflow', '--cuda13'], /--cuda13: only for xla/],
  [['engine', 'install', 'xla'], /say which plugin, one of --cpu, --cuda12, --cuda13/],
  [['engine', 'install', 'xla', '--cpu', '--cuda12'], /say which plugin/],
])('%j is a usage error', async (args, message) => {
  const { code, err } = await cli(args);
  expect([code, err]).toEqual([2, expect.stringMatching(message)]);
});

test.skipIf(process.platform !== 'linux').each([
  ['a reader that has gone', '| head -c 1', 0, ''],
  ['a full disk', '> /dev/full', 1, 'error: cannot write the output: no space is left on its device\n'],
  ['a full disk for complaints, too', '> /dev/full 2> /dev/full', 1, ''],
])('output to %s ends without a stack', async (_, where, wanted, told) => {
  const line = `set -o pipefail; '${process.execPath}' dist/src/cli.js licences ${where}`;
  const { status, stderr } = spawnSync('bash', ['-c', line], { encoding: 'utf8' });
  expect([status, stderr]).toEqual([wanted, told]);
});

test('more threads than a machine can have are refused', async () => {
  const { code, err } = await cli(['sample', 'a red digit one moves up slowly', '--threads', '1e9']);
  expect([code, err]).toEqual([1, expect.stringMatching(/wanted threads to be a whole number from 1 to 1024/)]);
});

test('a kernel specification that cannot be written is named', async () => {
  const prefix = join(file, 'prefix');
  const { code, err } = await cli(['kernel', 'install', '--prefix', prefix]);
  const folder = join(prefix, 'share', 'jupyter', 'kernels', 'reward-forcing');
  expect([code, err]).toEqual([
    1,
    `cannot write the kernel specification to ${folder} (ENOTDIR): give another --prefix\n`,
  ]);
});

test('a folder for temporary files that is not there is named', async () => {
  const TMPDIR = join(folder, 'absent');
  const notebook = join(folder, 'any.ipynb');
  await writeFile(notebook, JSON.stringify({ nbformat: 4, nbformat_minor: 5, metadata: {}, cells: [] }));
  const { code, err } = await cli(['notebook', 'run', notebook], { env: { TMPDIR } });
  expect([code, err]).toEqual([1, expect.stringContaining(`cannot make a folder in ${TMPDIR} (ENOENT): set TMPDIR`)]);
});

test('doctor finds an ffmpeg setting that names no program', async () => {
  const { code, out, err } = await cli(['doctor'], { env: { FFMPEG_BIN: file } });
  expect(code).toBe(1);
  expect(out).toMatch(/^failed +video +FFMPEG_BIN is/m);
  expect(err).toMatch(/video failed/);
});

test('doctor --weights says what a file holds and which model it fits', async () => {
  const path = join(folder, 'wan.safetensors');
  const shapes = model.wanShapes(model.wanPresets.tiny);
  const tensors = [...shapes].map(([name, shape]) => {
    const data = new Float32Array(shape.reduce((a, b) => a * b, 1));
    const entry: [string, HostTensor] = [`model.${name}`, { dtype: 'float32', shape: [...shape], data }];
    return entry;
  });
  await writeSafetensors(path, tensors.slice(1));
  const { code, out } = await cli(['doctor', '--weights', path]);
  expect(code).toBe(0);
  expect(out).toContain('68 tensors, 139,472 numbers, float32');
  expect(out).toContain('Wan transformer; is nearest to, but does not fit, preset tiny; translated names');
  expect(out).toMatch(/missing \(1\):\n {2}patch_embedding\.weight/);
});

test('doctor --weights refuses a file that would run code, and an ending that no reader has', async () => {
  const hostile = join(folder, 'hostile.pt');
  const call = Buffer.concat([op.global('os', 'system'), op.mark, op.text('true'), op.tuple, op.reduce]);
  await writeFile(hostile, archive({ 'a/data.pkl': dictionary({ generator: call }) }));
  const refused = await cli(['doctor', '--weights', hostile]);
  expect(refused.code).toBe(1);
  expect(refused.err).toMatch(/hostile\.pt: .*os/);
  const unknown = await cli(['doctor', '--weights', join(folder, 'weights.gguf')]);
  expect(unknown.code).toBe(2);
  expect(unknown.err).toMatch(/no known ending/);
});

test.each([
  ['pointer.pth', 'version https://git-lfs.github.com/spec/v1\n', /Git LFS pointer.*git lfs pull/],
  ['page.safetensors', '<!DOCTYPE html><html>', /is a web page.*download the file itself/],
  ['zip.safetensors', 'PK\u0003\u0004', /begins as a ZIP file.*ending \.pth/],
  ['absent.pth', null, /there is no file ".*absent\.pth"/],
  ['', null, /is a folder: name a file of weights in it/],
])('doctor --weights on %s says what it is', async (name, content, message) => {
  const path = join(folder, name);
  if (content !== null) await writeFile(path, content);
  const { code, err } = await cli(['doctor', '--weights', path]);
  expect(code).toBe(2);
  expect(err).toMatch(message);
});

test('doctor --weights on a truncated file names the file and what is wrong', async () => {
  const path = join(folder, 'cut.safetensors');
  await writeFile(path, (await readFile(join(folder, 'wan.safetensors'))).subarray(0, 700));
  const { code, err } = await cli(['doctor', '--weights', path]);
  expect(code).toBe(1);
  expect(err).toContain(`error: ${path}: `);
});

test('kernel and notebook go to their own command line with its exit code', async () => {
  expect((await cli(['kernel', '--help'])).code).toBe(0);
  const { code, err } = await cli(['notebook', 'run', join(folder, 'absent.ipynb')]);
  expect(code).not.toBe(0);
  expect(err).toContain('absent.ipynb');
});
