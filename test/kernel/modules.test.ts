import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { KernelClient } from '../../kernel/client/client.ts';
import { ofType, result, startKernel, text } from './start.ts';

const folder = mkdtempSync(join(tmpdir(), 'modules-'));
let kernel: KernelClient;

beforeAll(async () => {
  kernel = await startKernel(folder);
});
afterAll(async () => {
  await kernel.stop();
  rmSync(folder, { recursive: true });
});

function write(name: string, ...lines: string[]): void {
  mkdirSync(join(folder, name, '..'), { recursive: true });
  writeFileSync(join(folder, name), `${lines.join('\n')}\n`);
}

const run = (code: string) => kernel.execute(code);
const value = async (code: string): Promise<unknown> => result((await run(code)).published);

test('an edit is seen through every file that imports it; all others keep their state', async () => {
  write('deep.ts', 'export function deep(): string { return "one"; }');
  write('middle.ts', 'import { deep } from "./deep";', 'export const middle = () => "middle " + deep();');
  write('apart.ts', 'export const apart = { n: 0 };');
  expect(await value('import { middle } from "./middle"; middle()')).toBe("'middle one'");
  expect(await value('import { apart } from "./apart"; ++apart.n')).toBe('1');
  write('deep.ts', 'export function deep(): string { return "two"; }');
  const again = 'import { middle } from "./middle"; import { apart } from "./apart"; middle() + ++apart.n';
  expect(await value(again)).toBe("'middle two2'");
  write('deep.ts', 'export function deep(): number { return 3; }');
  expect(await value('middle()')).toBe("'middle two'");
  expect(await value('import { deep } from "./deep"; deep().toFixed(1)')).toBe("'3.0'");
});

test('types and values are of one version until a cell imports the file again', async () => {
  write('version.ts', 'export const version = 1;');
  await run('import { version } from "./version";');
  write('version.ts', 'export const version = "text";');
  expect(await value('version.toFixed(1)')).toBe("'1.0'");
  expect((await run('version.length')).reply).toMatchObject({ ename: 'TypeScriptError' });
  expect(await value('import { version } from "./version"; version.length')).toBe('4');
});

test('a file runs once for all that import it, whatever it is', async () => {
  write('common.js', 'console.log("common runs");', 'module.exports = { common: 3 };');
  write(
    'uses.ts',
    'import { common } from "./common";',
    'console.log("uses runs");',
    'export const used: number = common;',
  );
  const first = await run('import { used } from "./uses"; import { common } from "./common"; used + common');
  expect(text(first.published)).toBe('common runs\nuses runs\n');
  expect(result(first.published)).toBe('6');
  const second = await run(
    'import { used } from "./uses"; require("./common").common + (await import("./common.js")).common',
  );
  expect(text(second.published)).toBe('');
  expect(result(second.published)).toBe('6');
});

test('names of modules: a folder’s index, endings, TSX, data', async () => {
  write('sub/index.ts', 'export enum Color { Red = 1 }', 'export const here = __dirname, url = import.meta.url;');
  write(
    'page.tsx',
    'const React = { createElement: (tag: string) => "<" + tag + ">" };',
    'declare global { namespace JSX { interface IntrinsicElements { p: {} } } }',
    'export const page = <p/>;',
  );
  write('data.json', '{ "k": 1 }');
  expect(await value('import { Color, here, url } from "./sub"; [Color.Red, here, url]')).toContain(`'${folder}/sub'`);
  expect(await value('import { page } from "./page"; page')).toBe("'<p>'");
  expect(await value('import { page } from "./page.tsx"; page')).toBe("'<p>'");
  expect(await value('import { Color } from "./sub/index.js"; Color.Red')).toBe('1');
  expect(await value('import data from "./data.json" with { type: "json" }; data.k')).toBe('1');
});

test('cycles are as Node has them', async () => {
  write(
    'one.ts',
    'import { two } from "./two";',
    'export function one() { return 1; }',
    'export const sum = () => one() + two();',
  );
  write('two.ts', 'import { one } from "./one";', 'export function two() { return one() + 1; }');
  expect(await value('import { sum } from "./one"; sum()')).toBe('3');
  write('early.ts', 'import { late } from "./late";', 'export const early = 1;', 'export const given = late;');
  write('late.ts', 'import { early } from "./early";', 'export const late = early;');
  const { reply } = await run('import { given } from "./early"; given');
  expect(reply).toMatchObject({ ename: 'ReferenceError', evalue: expect.stringContaining("'early'") });
});

test('a module that awaits at its top level is imported dynamically, and says so', async () => {
  write('waits.mjs', 'export const waited = await Promise.resolve(7);');
  expect(await value('const waits = await import("./waits.mjs"); waits.waited')).toBe('7');
  write('waits.mjs', 'export const waited = await Promise.resolve(8);');
  expect(await value('(await import("./waits.mjs")).waited')).toBe('8');
  const { reply } = await run('import { waited } from "./waits.mjs"; waited');
  expect(reply['evalue']).toContain(`await import('…')`);
});

test('an error names the helper’s own line', async () => {
  write(
    'fails.ts',
    'interface Unused {',
    '  a: 1;',
    '}',
    '',
    'export function fail(): never {',
    '  throw new RangeError("deep");',
    '}',
  );
  const { published } = await run('import { fail } from "./fails";\n\nfail()');
  const trace = ofType(published, 'error')[0]?.['traceback'] as string[];
  expect(trace.slice(0, 2)).toEqual(['RangeError: deep', `    at fail (${folder}/fails.ts:6:9)`]);
  expect(trace[2]).toMatch(/cell-\d+\.ts:3:/);
});

test('a file that failed is loaded again when it is mended, one that is gone is missed', async () => {
  write('broken.ts', 'export const broken = 1;', 'throw new Error("half");');
  expect((await run('import { broken } from "./broken"; broken')).reply['evalue']).toBe('half');
  write('broken.ts', 'export const broken = 1;');
  expect(await value('import { broken } from "./broken"; broken')).toBe('1');
  rmSync(join(folder, 'broken.ts'));
  expect((await run('import { broken } from "./broken"; broken')).reply['ename']).toBe('TypeScriptError');
});

test('imported names are live, and cells may declare them anew', async () => {
  write('counter.ts', 'export let count = 0;', 'export const bump = () => { count++; };');
  await run('import { count, bump } from "./counter"; bump();');
  expect(await value('bump(); count')).toBe('2');
  await run('const count = "own";');
  expect(await value('count')).toBe("'own'");
});

test('a computed import finds local files, too', async () => {
  write('chosen.ts', 'export const chosen = 5;');
  expect(await value('const name = "chosen"; (await import("./" + name)).chosen')).toBe('5');
});
