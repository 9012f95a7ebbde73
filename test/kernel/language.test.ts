import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { NAMESPACES } from '../../kernel/built-in-names.ts';
import type { KernelClient } from '../../kernel/client/client.ts';
import type { Json } from '../../kernel/protocol/wire.ts';
import { result, startKernel, text } from './start.ts';

const folder = mkdtempSync(join(tmpdir(), 'language-'));
let kernel: KernelClient;

beforeAll(async () => {
  writeFileSync(join(folder, 'helpers.ts'), 'export const help = 1;\n');
  writeFileSync(join(folder, 'table.json'), '{}\n');
  kernel = await startKernel(folder);
});
afterAll(() => kernel.stop());

async function value(code: string): Promise<unknown> {
  const { reply, published } = await kernel.execute(code);
  expect(reply, code).toMatchObject({ status: 'ok' });
  return result(published);
}

describe('what a cell may hold', () => {
  test('namespaces live on, alone and merged with classes', async () => {
    await value('namespace Unit { export const one = 1; export interface Pair { a: number } }');
    await value('class Box { n = 2 } namespace Box { export const empty = new Box(); }');
    await value('"between"');
    expect(await value('const pair: Unit.Pair = { a: Unit.one }; pair.a + Box.empty.n + new Box().n')).toBe('5');
    await value('const Unit = "anew";');
    expect(await value('Unit')).toBe("'anew'");
  });

  test('export has nobody to export to, and is dropped', async () => {
    expect(await value('export const a = 1; export function f() { return a; } f()')).toBe('1');
    await value('export interface Shape { n: number }\nexport default class Named implements Shape { n = 4 }');
    expect(await value('export { a }; export default new Named().n')).toBe('4');
    expect(await value('export { help } from "./helpers"; help')).toBe('1');
    expect((await kernel.execute('export const bad: number = "s";')).reply['traceback']).toContainEqual(
      expect.stringMatching(/^cell-\d+\.ts:1:14 - TS2322/),
    );
  });

  test('the library of ES2023', async () => {
    expect(
      await value('[[3, 1].toSorted(), [1, 2].toReversed(), [1].with(0, 5), [3, 4].findLast((n) => n < 4)].join()'),
    ).toBe("'1,3,2,1,5,3'");
    expect(await value('new Float32Array([2, 1]).toSorted()[0]')).toBe('1');
  });

  test('global types can be added to, in this cell and later ones', async () => {
    await value(
      'declare global { interface Array<T> { last(): T } }\nArray.prototype.last = function () { return this[this.length - 1]; };',
    );
    await value('0');
    expect(await value('[1, 2].last()')).toBe('2');
  });

  test('a cell that asks not to be checked is not, but awaits all the same', async () => {
    expect(await value('// @ts-nocheck\nconst n: number = "s"; await 1; n')).toBe("'s'");
    expect((await kernel.execute('// @ts-nocheck\nconst n = ;')).reply['ename']).toBe('TypeScriptError');
  });

  test('the place of a cell', async () => {
    expect(await value('[__dirname, __filename].join()')).toBe(`'${folder},${folder}/notebook.ts'`);
  });
});

describe('completion', () => {
  async function complete(code: string): Promise<string[]> {
    const { content } = await kernel.request('shell', 'complete_request', { code, cursor_pos: code.length });
    const start = content['cursor_start'] as number;
    return (content['matches'] as string[]).map((match) => code.slice(0, start) + match);
  }

  test.each([
    ['import { help } from "./', './helpers'],
    ['import data from "./ta', './table.json'],
    ['import { z } from "tsl', 'tslab'],
    ["const fs = require('node:f", 'node:fs/promises'],
    ['const m = await import("../', '../'],
  ])('of the name of a module: %s', async (code, name) => {
    expect(await complete(code)).toContainEqual(
      expect.stringContaining(`${code.slice(0, code.search(/["']/) + 1)}${name}`),
    );
  });

  test('an empty cell offers the namespaces first', async () => {
    const offered = await complete('');
    expect(offered.slice(0, NAMESPACES.length).sort()).toEqual([...NAMESPACES].sort());
    expect(new Set(offered).size).toBe(offered.length);
  });
});

test('`using` disposes at the end of its block, and at the end of the cell', async () => {
  const { published } = await kernel.execute(`{
    using a = { [Symbol.dispose]() { console.log('a ends'); } };
    console.log('within');
  }
  await using b = { async [Symbol.asyncDispose]() { console.log('b ends'); } };
  console.log('behind');`);
  expect(text(published)).toBe('within\na ends\nbehind\nb ends\n');
});

test('the last expression of a cell shows itself beside `using` and types behind it', async () => {
  const { published } = await kernel.execute(`using c = { [Symbol.dispose]() {} };
  6 * 7;
  interface Behind { is: 'a type' }`);
  expect(result(published)).toBe('42');
});

test.each([
  ['a function', 'function f() { await 1; }'],
  ['a method', 'const o = { m() { await 1; } };'],
])('an await in %s that is not async is an error', async (_, code) => {
  expect((await kernel.execute(code)).reply['evalue']).toMatch(/only allowed within async functions/);
});

test.each([
  ['}', 'invalid'],
  ['f(1))', 'invalid'],
  ['if (x) { } }', 'invalid'],
  ['f(1', 'incomplete'],
])('is_complete: %s is %s', async (code, status) => {
  expect((await kernel.request('shell', 'is_complete_request', { code })).content['status']).toBe(status);
});

test.each([
  ['%timeit f()', /^%timeit is a magic of IPython.*console\.time/],
  ['%%bash\nls', /^%bash is a magic of IPython/],
  ['!ls -l', /^!ls -l is IPython's way.*execSync\("ls -l"\)/],
  ['help()', /^help\(\) is Python's; here: sampler\.euler\?/],
  ['help(tf.tidy)', /tf\.tidy\?\? for the source/],
])('a habit of IPython gets a line that teaches: %s', async (code, line) => {
  const { reply } = await kernel.execute(code);
  expect(reply).toMatchObject({ status: 'error', evalue: expect.stringMatching(line) });
  expect(reply['traceback']).toHaveLength(1);
});

test('a name that is denied is code, not a habit', async () => {
  await value('const ls = false;');
  expect(await value('!ls')).toBe('true');
});

describe('input', () => {
  async function answered(
    code: string,
    ...answers: string[]
  ): Promise<{ value: unknown; asked: Json[]; printed: string }> {
    const asked: Json[] = [];
    const stop = kernel.listen(({ header, content }, from) => {
      if (from !== 'stdin' || header.msg_type !== 'input_request') return;
      asked.push(content);
      kernel.send('stdin', 'input_reply', { value: answers[asked.length - 1] ?? '' });
    });
    const { published } = await kernel.execute(code, { allow_stdin: true });
    stop();
    return { value: result(published), asked, printed: text(published) };
  }

  test('prompt and confirm ask as browsers do', async () => {
    expect(
      await answered(
        '[prompt("name?"), prompt("again", "preset"), confirm("sure?"), confirm("sure?")].join()',
        'Zoë',
        '',
        'y',
        'n',
      ),
    ).toMatchObject({
      value: "'Zoë,preset,true,false'",
      asked: [{ prompt: 'name? ' }, { prompt: 'again ' }, { prompt: 'sure? [y/N] ' }, { prompt: 'sure? [y/N] ' }],
    });
  });

  test('readline asks for a line at each question and for none beside', async () => {
    const code = `import { createInterface } from 'node:readline/promises';
const lines = createInterface({ input: process.stdin, output: process.stdout });
const first = await lines.question('one? ');
const second = await lines.question('two? ');
lines.close();
[first, second].join()`;
    const { value: shown, asked, printed } = await answered(code, 'a', 'b');
    expect(shown).toBe("'a,b'");
    expect(asked).toHaveLength(2);
    expect(printed).toContain('one? ');
  });
});
