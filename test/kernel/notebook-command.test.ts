import { spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, expect, test } from 'vitest';
import { codeCell, readNotebook } from '../../kernel/notebook/document.ts';

const cli = fileURLToPath(new URL('../../dist/kernel/cli.js', import.meta.url));
const folder = mkdtempSync(join(tmpdir(), 'notebook-command-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

function write(name: string, ...sources: string[]): string {
  const file = join(folder, name);
  const cells = sources.map((source) => codeCell(source));
  writeFileSync(file, JSON.stringify({ nbformat: 4, nbformat_minor: 5, metadata: {}, cells }));
  return file;
}

const run = (...args: string[]) =>
  spawnSync(process.execPath, [cli, 'notebook', 'run', ...args], { encoding: 'utf8', timeout: 120_000 });

test('several notebooks run in place, and a stored widget leaves its picture only', () => {
  const grey = '({ data: new Float32Array(3 * 4 * 4 * 3), frames: 3, height: 4, width: 4, fps: 4 })';
  const files = [write('a.ipynb', '6 * 7'), write('b.ipynb', `widgets.scrub(${grey})`)];
  const { status, stdout, stderr } = run(...files);
  expect(status, stderr).toBe(0);
  expect(stdout).toContain(`wrote ${files[1]}`);
  expect(readNotebook(files[0]!).cells[0]!.outputs![0]!['data']).toEqual({ 'text/plain': '42' });
  const shown = readNotebook(files[1]!).cells[0]!.outputs![0]!['data'] as object;
  expect(Object.keys(shown)).toEqual(['image/png', 'text/plain']);
}, 120_000);

test('one output for several notebooks is refused before any work', () => {
  const { status, stderr } = run(write('c.ipynb', '1'), write('d.ipynb', '2'), '--out', join(folder, 'e.ipynb'));
  expect(status).toBe(1);
  expect(stderr).toContain('--out and --html name one file, and 2 notebooks were given');
});

test('a parameter that would have no effect is refused by name before any work', () => {
  const cells = [codeCell('const steps = 1;\nlet seed = 2, [a] = [1];', { tags: ['parameters'] }), codeCell('steps')];
  const tagged = join(folder, 'tagged.ipynb');
  writeFileSync(tagged, JSON.stringify({ nbformat: 4, nbformat_minor: 5, metadata: {}, cells }));
  const unknown = run(tagged, '--param', 'step=3');
  expect(unknown.status).toBe(1);
  expect(unknown.stderr).toContain('--param step: wanted a name of the cell tagged "parameters": steps, seed, a');
  const none = run(write('untagged.ipynb', 'const steps = 1;'), '--param', 'steps=3');
  expect(none.status).toBe(1);
  expect(none.stderr).toContain('--param steps: wanted a cell tagged "parameters", and the notebook has none');
  const out = join(folder, 'tagged-out.ipynb');
  expect(run(tagged, '--param', 'steps=21', '--out', out, '--quiet').status).toBe(0);
  expect(readNotebook(out).cells.at(-1)!.outputs![0]!['data']).toEqual({ 'text/plain': '21' });
}, 120_000);

test('a time limit that is no time is refused before any work', () => {
  for (const given of ['soon', '0', '-1', 'Infinity']) {
    const { status, stderr } = run(write('f.ipynb', '1'), '--timeout', given);
    expect(status).toBe(2);
    expect(stderr).toContain('wanted seconds above 0');
  }
});

test('a run that is stopped ends with 130 and leaves the notebook as it was', async () => {
  const file = write('long.ipynb', 'console.log("begun"); await new Promise(() => {});');
  const before = readFileSync(file, 'utf8');
  const child = spawn(process.execPath, [cli, 'notebook', 'run', file]);
  child.stdout.on('data', (chunk: Buffer) => {
    if (chunk.toString().includes('begun')) child.kill('SIGTERM');
  });
  const code = await new Promise((resolve) => child.on('exit', resolve));
  expect(code).toBe(130);
  expect(readFileSync(file, 'utf8')).toBe(before);
}, 120_000);
