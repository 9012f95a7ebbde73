import { tmpdir } from 'node:os';
import sharp from 'sharp';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { KernelClient } from '../../kernel/client/client.ts';
import type { Json } from '../../kernel/protocol/wire.ts';
import { begin, ofType, startKernel, text } from './start.ts';

let kernel: KernelClient;

beforeAll(async () => {
  kernel = await startKernel(tmpdir());
});

afterAll(() => kernel.stop());

test('progress of a loop within a loop adds a line to the same display', async () => {
  const { published } = await kernel.execute(
    `for await (const a of progress([1, 2], { label: 'outer' })) for await (const b of progress([1, 2, 3], { label: 'inner' })) console.log(a, b);`,
  );
  expect(text(published).trim().split('\n')).toHaveLength(6);
  expect(ofType(published, 'display_data')).toHaveLength(1);
  const lines = ofType(published, 'update_display_data').map((content) => (content['data'] as Json)['text/plain']);
  expect(lines.some((line) => /^outer 0\/2.*\ninner 3\/3/.test(String(line)))).toBe(true);
  expect(lines.at(-1)).toMatch(/^outer 2\/2 [^\n]*$/);
});

test('progress that is broken off ends its line', async () => {
  const { published } = await kernel.execute('for await (const n of progress([1, 2, 3])) break;');
  expect(ofType(published, 'display_data')).toHaveLength(1);
  const next = await kernel.execute('for await (const n of progress([1])) {}');
  const last = ofType(next.published, 'update_display_data').at(-1)?.['data'];
  expect(last).toMatchObject({ 'text/plain': expect.stringMatching(/^1\/1 [^\n]*$/) });
});

test('a live drawing shows few states and the last one', async () => {
  const { published } = await kernel.execute(
    `let n = 0;
const chart = live(() => html\`<b>\${n}</b>\`, { everyMs: 50 });
for (n = 1; n < 200; n++) { chart.refresh(); await new Promise((r) => setTimeout(r, 1)); }
n = 200; chart.refresh();`,
  );
  const updates = ofType(published, 'update_display_data');
  expect(updates.length).toBeGreaterThan(1);
  expect(updates.length).toBeLessThan(40);
  expect(updates.at(-1)?.['data']).toMatchObject({ 'text/plain': '200' });
});

test('a last drawing that takes its time is awaited', async () => {
  const { published } = await kernel.execute(
    `let state = 0;
const drawing = live(() => ({ now: state, [Symbol.for('Jupyter.display')]: async function () { await new Promise((r) => setTimeout(r, 40)); return { 'text/plain': String((this as { now: number }).now) }; } }), { everyMs: 60 });
for (state = 1; state < 4; state++) drawing.refresh();`,
  );
  expect(ofType(published, 'update_display_data').at(-1)?.['data']).toEqual({ 'text/plain': '4' });
});

/** Declares `slow(text, ms)`, whose bundle takes its time, and how often. */
const SLOW =
  "const slow = (text: string, ms: number) => ({ [Symbol.for('Jupyter.display')]: async () => { await new Promise((r) => setTimeout(r, ms)); return { 'text/plain': text }; } });";

/** What the cell shows, updates and clearings included. */
async function shownBy(code: string): Promise<{ shown: unknown[]; reply: Json }> {
  const { published, reply } = await kernel.execute(`${SLOW} ${code}`);
  const shown = published
    .filter(({ header }) => /display_data|clear_output|execute_result/.test(header.msg_type))
    .map(({ content }) => (content['data'] as Json | undefined)?.['text/plain'] ?? 'clear');
  return { shown, reply };
}

test('bundles that take their time arrive in the order of the calls', async () => {
  const { shown } = await shownBy(
    "const place = display(slow('a', 60)); place.update(slow('b', 5)); place.update('c');",
  );
  expect(shown).toEqual(['a', 'b', "'c'"]);
});

test('several displays of a cell appear in the order of the calls, the cell’s value last', async () => {
  const calls =
    "display(slow('a', 60)); display(slow('b', 20)); display('c'); clearOutput(true); display(slow('d', 1));";
  const { shown } = await shownBy(`${calls} slow('e', 1)`);
  expect(shown).toEqual(['a', 'b', "'c'", 'clear', 'd', 'e']);
});

test('an update of a display that stands does not wait for another that is being drawn', async () => {
  const { shown } = await shownBy("const bar = display(0); display(slow('figure', 60)); bar.update(1); bar.update(2);");
  expect(shown).toEqual(['0', '1', '2', 'figure']);
});

test.each([
  "throw new Error('then this');",
  "await 1; throw new Error('then this');",
  "Promise.reject(new Error('then this'))",
])('what was displayed before an error is shown before it: %s', async (failing) => {
  const { published, reply } = await kernel.execute(`${SLOW} display(slow('a', 40)); ${failing}`);
  expect(reply).toMatchObject({ status: 'error', evalue: 'then this' });
  const types = published.map(({ header }) => header.msg_type);
  expect(types.slice(-3)).toEqual(['display_data', 'error', 'status']);
});

test('the handle of a display shows nothing more as the value of a cell', async () => {
  expect((await shownBy("display('once')")).shown).toEqual(["'once'"]);
});

test('a drawing that an interrupt ended neither appears later nor holds up the next cell', async () => {
  const { ended } = await begin(kernel, `{ ${SLOW} display(slow('never', 1e6)); display(slow('late', 150)); }`);
  await kernel.request('control', 'interrupt_request', {});
  expect((await ended).reply).toMatchObject({ ename: 'KeyboardInterrupt' });
  const { shown } = await shownBy("display(slow('next', 200));");
  expect(shown).toEqual(['next']);
});

test('a display that fails makes the cell fail', async () => {
  const cell = 'display({ [Symbol.for("Jupyter.display")]: async () => { throw new Error("no picture"); } });';
  expect((await kernel.execute(cell)).reply).toMatchObject({ status: 'error', evalue: 'no picture' });
});

test('a picture drawn at twice its size is shown at its size', async () => {
  const shown = async (density: number): Promise<unknown> => {
    const red = { create: { width: 40, height: 20, channels: 3 as const, background: 'red' } };
    const png = await sharp(red).withMetadata({ density }).png().toBuffer();
    const code = `display({ [Symbol.for('Jupyter.display')]: () => ({ 'image/png': '${png.toString('base64')}' }) });`;
    return ofType((await kernel.execute(code)).published, 'display_data')[0]?.['metadata'];
  };
  expect(await shown(144)).toEqual({ 'image/png': { width: 20, height: 10 } });
  expect(await shown(72)).toEqual({});
});
