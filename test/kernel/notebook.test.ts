import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { codeCell, type Notebook, type Output } from '../../kernel/notebook/document.ts';
import type { Provenance } from '../../kernel/notebook/provenance.ts';

const cli = fileURLToPath(new URL('../../dist/kernel/cli.js', import.meta.url));
const folder = mkdtempSync(join(tmpdir(), 'run-'));

function write(name: string, cells: Notebook['cells']): string {
  const file = join(folder, name);
  writeFileSync(file, JSON.stringify({ nbformat: 4, nbformat_minor: 5, metadata: {}, cells }));
  return file;
}

function read(file: string): Notebook {
  return JSON.parse(readFileSync(file, 'utf8')) as Notebook;
}

const outputs = (notebook: Notebook, index: number): Output[] => notebook.cells[index]?.outputs ?? [];

test('a run fills in outputs, parameters, HTML and provenance', () => {
  const file = write('good.ipynb', [
    codeCell('var steps = 1;', { tags: ['parameters'] }),
    codeCell('const seed = 42; const run = { seed: 5 }; for (let seed = 0; seed < 1; seed++) run.seed; steps * 2'),
    codeCell('await engine.use("onnx"); show.curve({ loss: [2, 1] })'),
  ]);
  const out = join(folder, 'out.ipynb');
  const html = join(folder, 'out.html');
  execFileSync(process.execPath, [cli, 'notebook', 'run', file, '--param', 'steps=21', '--out', out, '--html', html]);
  const notebook = read(out);
  expect(outputs(notebook, 2)[0]?.['data']).toEqual({ 'text/plain': '42' });
  expect(readFileSync(html, 'utf8')).toMatch(/<img[^>]+src="data:image\/png;base64,/);
  const provenance = notebook.metadata['reward_forcing'] as Provenance;
  expect(provenance).toMatchObject({
    parameters: { steps: 21 },
    seeds: { seed: 42, 'run.seed': 5, 5: 5 },
    engine: { name: 'onnx' },
  });
  expect(provenance.versions).toMatchObject({ node: process.versions.node, 'onnxruntime-node': expect.any(String) });
  expect(read(file).cells[1]?.outputs).toEqual([]);
});

test('an error in a cell ends the run with its traceback and a code other than zero', () => {
  const file = write('bad.ipynb', [codeCell('1'), codeCell('throw new RangeError("no such step");'), codeCell('2')]);
  const { status, stderr } = spawnSync(process.execPath, [cli, 'notebook', 'run', file], { encoding: 'utf8' });
  expect(status).toBe(1);
  expect(stderr).toMatch(/cell 2 of .*bad\.ipynb failed:\nRangeError: no such step/);
  expect(outputs(read(file), 1)[0]?.output_type).toBe('error');
  expect(outputs(read(file), 2)).toEqual([]);
});

test('a cell past its time is interrupted', () => {
  const file = write('slow.ipynb', [codeCell('await new Promise(() => {});')]);
  const run = spawnSync(process.execPath, [cli, 'notebook', 'run', file, '--timeout', '1'], { encoding: 'utf8' });
  expect(run.status).toBe(1);
  expect(run.stderr).toMatch(/KeyboardInterrupt/);
});
