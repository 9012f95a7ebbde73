import { tmpdir } from 'node:os';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { NAMESPACES } from '../../kernel/built-in-names.ts';
import type { KernelClient } from '../../kernel/client/client.ts';
import type { Json } from '../../kernel/protocol/wire.ts';
import { ofType, result, startKernel, text } from './start.ts';

let kernel: KernelClient;

beforeAll(async () => {
  kernel = await startKernel(tmpdir());
});

afterAll(() => kernel.stop());

test('completion offers a namespace by its first letters, before the library is read', async () => {
  const { content } = await kernel.request('shell', 'complete_request', { code: 'samp', cursor_pos: 4 });
  expect(content['matches']).toContain('sampler');
});

test.each([...NAMESPACES])('completion knows the members of %s', async (name) => {
  const code = `${name}.`;
  const { content } = await kernel.request('shell', 'complete_request', { code, cursor_pos: code.length });
  expect(content['matches']).not.toHaveLength(0);
});

test('hover shows the docstring of a function of the library', async () => {
  const code = 'sampler.euler';
  const { content } = await kernel.request('shell', 'inspect_request', { code, cursor_pos: code.length });
  const text = (content['data'] as Json)['text/plain'] as string;
  expect(text).toMatch(/^const euler: sampler\.Solver\n\nEuler/);
});

test('wrong arguments for the library are type errors', async () => {
  const { reply } = await kernel.execute('sampler.euler("no field", 1);');
  expect(reply).toMatchObject({ status: 'error', ename: 'TypeScriptError' });
});

test('members of namespaces are types as well', async () => {
  const cell = `const weight: tf.Tensor2D = tf.eye(2);
    const solver: sampler.Sampler = sampler.euler;
    const last: train.TrainStep | null = null;
    weight.shape.join()`;
  expect(result((await kernel.execute(cell)).published)).toBe("'2,2'");
  expect((await kernel.execute('const wrong: tf.Tensor = 3;')).reply).toMatchObject({ ename: 'TypeScriptError' });
});

test('hover shows the docstrings of packages, Node and the language', async () => {
  for (const [code, documentation] of [
    ['tf.tidy', 'intermediate tensors'],
    ['console.log', 'Prints to `stdout`'],
    ['[1].map', 'Calls a defined callback function'],
  ] as const) {
    const { content } = await kernel.request('shell', 'inspect_request', { code, cursor_pos: code.length });
    expect((content['data'] as Json)['text/plain']).toContain(documentation);
  }
});

const hover = async (code: string): Promise<unknown> =>
  ((await kernel.request('shell', 'inspect_request', { code, cursor_pos: code.length })).content['data'] as Json)[
    'text/plain'
  ];

test('hover knows names that are types only, wherever they stand', async () => {
  await kernel.execute('/** A point. */\ninterface Point { x: number }');
  expect(await hover('Point')).toBe('interface Point\n\nA point.');
  expect(await hover('train.TrainStep')).toBe(
    'interface TrainStep\n\nWhat every stage yields after each step, beside numbers of its own.',
  );
  expect(await hover('const step: train.TrainStep')).toBe(await hover('train.TrainStep'));
  expect(await hover('tf.Tensor2D')).toMatch(/^type Tensor2D = tf\.Tensor<tf\.Rank\.R2>/);
  expect(await hover('noSuchName')).toBeUndefined();
});

test('hover lists the members of a namespace', async () => {
  expect(await hover('sampler')).toMatch(/^namespace sampler\n\n.*\beuler, /);
});

/** What `name?` and its kin show. */
async function page(code: string): Promise<unknown> {
  const { reply } = await kernel.execute(code);
  const [shown] = reply['payload'] as { source: string; data: Json }[];
  expect(shown?.source).toBe('page');
  return shown?.data['text/plain'];
}

test('a question mark pages type and docstring, two of them the source too', async () => {
  expect(await page('sampler.euler?')).toBe(await hover('sampler.euler'));
  expect(await page('?sampler.euler')).toBe(await hover('sampler.euler'));
  expect(await page('sampler.euler??')).toMatch(/schedule, options = \{\}\) =>/);
  expect(await page('??train.TrainStep')).toContain('loss: number;');
  await kernel.execute('const one = 1;\n/** Doubles. */\nfunction double(x: number): number { return 2 * x; }');
  expect(await page('double??')).toMatch(
    /\n\n\/\*\* Doubles\. \*\/\nfunction double\(x: number\): number \{ return 2 \* x; \}$/,
  );
});

test('a question about nothing says so', async () => {
  const { published, reply } = await kernel.execute('?noSuchName');
  expect(reply).toMatchObject({ status: 'ok', payload: [] });
  expect(text(published)).toBe('Object `noSuchName` not found.\n');
});

test('the namespaces are the modules that an import gives', async () => {
  const { published } = await kernel.execute(
    'import * as all from "reward-forcing"; all.tf === tf && all.show === show',
  );
  expect(result(published)).toBe('true');
});

test('a cell may declare the name of a namespace anew', async () => {
  await kernel.execute('const study = { mine: 1 };');
  expect(result((await kernel.execute('study.mine')).published)).toBe('1');
});

test('a tensor shows its shape, type, range and histogram', async () => {
  const { published } = await kernel.execute('tf.tensor2d([[0, 1, 2], [3, 4, 5]])');
  const data = ofType(published, 'execute_result')[0]?.['data'] as Json;
  expect(data['text/plain']).toMatch(/^Tensor float32 \[2, 3\] · 0 … 5 · mean 2\.5/);
  expect(data['text/html']).toMatch(/2, 3/);
  const scalar = await kernel.execute('tf.scalar(7)');
  expect(result(scalar.published)).toMatch(/^Tensor float32 \[\] · 7/);
});

test('a figure comes as Plotly, picture and text in one bundle', async () => {
  const { published } = await kernel.execute('show.curve({ loss: [3, 2, 1] })');
  const data = ofType(published, 'execute_result')[0]?.['data'] as Json;
  expect(Object.keys(data).sort()).toEqual(['application/vnd.plotly.v1+json', 'image/png', 'text/plain']);
});
