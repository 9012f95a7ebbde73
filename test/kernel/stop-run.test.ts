import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { KernelClient } from '../../kernel/client/client.ts';
import { codeCell } from '../../kernel/notebook/document.ts';
import { runNotebook } from '../../kernel/notebook/run.ts';
import { result, startKernel } from './start.ts';

let kernel: KernelClient;
beforeAll(async () => {
  kernel = await startKernel(mkdtempSync(join(tmpdir(), 'stop-')));
}, 60_000);
afterAll(() => kernel.stop());

const endless = 'ran.push(2); await new Promise(() => {});';
const notebook = (second: string) => ({
  nbformat: 4,
  nbformat_minor: 5,
  metadata: {},
  cells: ['var ran = [1];', second, 'ran.push(3);'].map((code) => codeCell(code)),
});
const ran = async (): Promise<unknown> => result((await kernel.execute('ran.join()')).published);

test('a stop before a cell starts neither it nor those after it', async () => {
  const stop = new AbortController();
  stop.abort();
  const run = await runNotebook(notebook(endless), kernel, { signal: stop.signal });
  expect(run.error).toBeNull();
  expect(run.notebook.cells.map((cell) => cell.execution_count)).toEqual([null, null, null]);
}, 60_000);

test.each(['at once', 'a moment later'])(
  'a stop that comes while a cell is on its way, %s, ends it',
  async (when) => {
    for (let attempt = 0; attempt < 5; attempt++) {
      const stop = new AbortController();
      const { error } = await runNotebook(notebook(endless), kernel, {
        signal: stop.signal,
        onCell: (index) => {
          if (index !== 2) return;
          if (when === 'at once') queueMicrotask(() => stop.abort());
          else setTimeout(() => stop.abort(), attempt);
        },
      });
      expect(error).toMatchObject({ cell: 1, ename: 'KeyboardInterrupt' });
      expect(['1', '1,2']).toContain(String(await ran()).replaceAll("'", ''));
    }
  },
  60_000,
);

test('a stop at the end of a cell starts no other, though nothing failed', async () => {
  const stop = new AbortController();
  const run = await runNotebook(notebook('ran.push(2); console.log("end")'), kernel, {
    signal: stop.signal,
    onText: () => stop.abort(),
    allowErrors: true,
  });
  expect(run.notebook.cells[2]!.execution_count).toBeNull();
  expect(String(await ran())).toContain('1,2');
}, 60_000);
