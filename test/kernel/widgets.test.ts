import { afterAll, beforeAll, expect, test } from 'vitest';
import type { KernelClient } from '../../kernel/client/client.ts';
import type { Json, Message } from '../../kernel/protocol/wire.ts';
import { testFolder } from '../folder.ts';
import { ofType, result, startKernel, text } from './start.ts';

const folder = await testFolder('widgets');
let kernel: KernelClient;
const CLIP =
  'const clip = { data: new Float32Array(3 * 4 * 6 * 3).map((_, i) => i / 216), frames: 3, height: 4, width: 6, fps: 8 };';

beforeAll(async () => {
  kernel = await startKernel(folder);
  const { reply } = await kernel.execute(CLIP);
  expect(reply['status'], String(reply['evalue'])).toBe('ok');
});

afterAll(() => kernel.stop());

function find(messages: readonly Message[], type: string): Message {
  const found = messages.find((message) => message.header.msg_type === type);
  if (!found) throw new Error(`no ${type} among ${messages.map(({ header }) => header.msg_type).join(', ')}`);
  return found;
}

/** What the buttons and sliders of the front end send. */
function update(comm: unknown, state: Json): void {
  kernel.send('shell', 'comm_msg', { comm_id: comm, data: { method: 'update', state, buffer_paths: [] } });
}

test('a scrubber opens a widget model with its frames as buffers, and a picture for other front ends', async () => {
  const { published } = await kernel.execute('const slider = widgets.scrub(clip, { frame: 1 }); slider');
  const opened = find(published, 'comm_open');
  expect(opened.content['target_name']).toBe('jupyter.widget');
  expect(opened.metadata).toEqual({ version: '2.1.0' });
  const { state, buffer_paths: paths } = opened.content['data'] as { state: Json; buffer_paths: unknown[] };
  expect(state).toMatchObject({ _model_module: 'anywidget', frame: 1, frames: 3, isPixelated: true });
  expect(paths).toEqual([
    ['pictures', 0],
    ['pictures', 1],
    ['pictures', 2],
  ]);
  expect(opened.buffers).toHaveLength(3);
  expect(
    Buffer.from(opened.buffers[0] ?? [])
      .subarray(1, 4)
      .toString(),
  ).toBe('PNG');
  const data = ofType(published, 'execute_result')[0]?.['data'] as Json;
  const view = data['application/vnd.jupyter.widget-view+json'] as Json;
  expect(view['model_id']).toBe(opened.content['comm_id']);
  expect(Object.keys(data)).toContain('image/png');
  update(view['model_id'], { frame: 2 });
  expect(result((await kernel.execute('slider.frame')).published)).toBe('2');
});

test('a comparison needs clips of one length', async () => {
  await kernel.execute('const short = { ...clip, frames: 2 };');
  const { published } = await kernel.execute('widgets.compare({ a: clip, b: clip })');
  const { state } = find(published, 'comm_open').content['data'] as { state: Json };
  expect(state['titles']).toEqual(['a', 'b']);
  expect((await kernel.execute('widgets.compare({ a: clip, b: short })')).reply['evalue']).toMatch(/a: 3, b: 2/);
});

test('a front end that was reloaded gets the whole state', async () => {
  const { published } = await kernel.execute('widgets.scrub(clip)');
  const id = find(published, 'comm_open').content['comm_id'];
  const seen: Message[] = [];
  const stop = kernel.listen((message, from) => {
    if (from === 'iopub' && message.header.msg_type === 'comm_msg') seen.push(message);
  });
  kernel.send('shell', 'comm_msg', { comm_id: id, data: { method: 'request_state' } });
  await kernel.execute('0');
  stop();
  expect(seen[0]?.content['data']).toMatchObject({ method: 'update', state: { frames: 3 } });
  expect(seen[0]?.buffers).toHaveLength(3);
});

test('a controlled run steps, plays and stops by its buttons, and the generator finishes', async () => {
  await kernel.execute(
    'async function* train() { try { for (let i = 1; ; i++) { await new Promise((r) => setTimeout(r, 5)); yield i; } } finally { console.log("finished"); } }',
  );
  let comm: unknown;
  let steps = 0;
  const cell = kernel.execute(
    'for await (const step of widgets.control(train(), { paused: true })) console.log(step);',
    {},
    20_000,
    (message) => {
      const { content, header } = message;
      if (header.msg_type === 'comm_open') comm = content['comm_id'];
      if (header.msg_type === 'display_data') update(comm, { status: 'paused', asked: 1 });
      if (header.msg_type !== 'stream') return;
      steps++;
      if (steps === 1) setTimeout(() => update(comm, { status: 'playing' }), 60);
      if (steps === 3) update(comm, { status: 'stopped' });
    },
  );
  const { published, reply } = await cell;
  expect(reply['status']).toBe('ok');
  const lines = text(published).trim().split('\n');
  expect(lines.slice(0, 3)).toEqual(['1', '2', '3']);
  expect(lines.at(-1)).toBe('finished');
});
