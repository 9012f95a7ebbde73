import { tmpdir } from 'node:os';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { Execution, KernelClient } from '../../kernel/client/client.ts';
import type { Json } from '../../kernel/protocol/wire.ts';
import * as start from './start.ts';
import { result, startKernel, text } from './start.ts';

let kernel: KernelClient;

beforeAll(async () => {
  kernel = await startKernel(tmpdir());
  await kernel.execute('let kept = 41;');
});

afterAll(() => kernel.stop());

/** Begins a cell and leaves it time to reach what the test is about. */
async function begin(code: string, options: Json = {}): Promise<{ ended: Promise<Execution> }> {
  const begun = await start.begin(kernel, code, options);
  await pause(50);
  return begun;
}

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

test.each([
  ['a pending await', 'await new Promise(() => {});'],
  ['a synchronous loop', 'while (true) {}'],
  ['a loop after an await', 'await 1; while (true) {}'],
  ['a wait for input', 'input("?")'],
])('an interrupt request ends %s and keeps the state', async (_, code) => {
  const { ended } = await begin(code, { allow_stdin: true });
  expect((await kernel.request('control', 'interrupt_request', {})).content['status']).toBe('ok');
  expect((await ended).reply).toMatchObject({ status: 'error', ename: 'KeyboardInterrupt' });
  expect(result((await kernel.execute('kept + 1')).published)).toBe('42');
});

test.each([
  ['a pending await', 'await new Promise(() => {});'],
  ['a synchronous loop', 'while (true) {}'],
])('SIGINT ends %s', async (_, code) => {
  const { ended } = await begin(code);
  kernel.process.kill('SIGINT');
  expect((await ended).reply).toMatchObject({ status: 'error', ename: 'KeyboardInterrupt' });
  expect(result((await kernel.execute('kept + 1')).published)).toBe('42');
});

test('an interrupt stops an async generator at its next step', async () => {
  const steps =
    'let steps = 0; async function* run() { while (true) { steps++; await new Promise(r => setTimeout(r, 5)); yield steps; } }';
  await kernel.execute(steps);
  const { ended } = await begin('for await (const _ of run()) {}');
  await kernel.request('control', 'interrupt_request', {});
  expect((await ended).reply).toMatchObject({ ename: 'KeyboardInterrupt' });
  const at = Number(result((await kernel.execute('steps')).published));
  await pause(150);
  expect(Number(result((await kernel.execute('steps')).published)) - at).toBeLessThanOrEqual(1);
});

test('an interrupt while nothing runs changes nothing', async () => {
  await kernel.request('control', 'interrupt_request', {});
  kernel.process.kill('SIGINT');
  await pause(100);
  expect(result((await kernel.execute('kept')).published)).toBe('41');
});

test('what an interrupted or failed cell declared before its end is kept', async () => {
  const { ended } = await begin('const before = [1, 2]; await new Promise(() => {});');
  await kernel.request('control', 'interrupt_request', {});
  await ended;
  expect(result((await kernel.execute('before.length')).published)).toBe('2');
  await kernel.execute('const early = 7; throw new Error("after");');
  expect(result((await kernel.execute('early')).published)).toBe('7');
});

test('an interrupt that comes with its cell keeps the cell from running on', async () => {
  for (let i = 0; i < 5; i++) {
    const cell = kernel.execute('await new Promise(() => {});', {}, 20_000);
    await pause(i);
    await kernel.request('control', 'interrupt_request', {});
    const first = await Promise.race([cell, pause(1000)]);
    if (!first) await kernel.request('control', 'interrupt_request', {});
    expect((await cell).reply).toMatchObject({ ename: 'KeyboardInterrupt' });
  }
});

test('an interrupt while the library loads ends the cell and leaves the library whole', async () => {
  const cell = kernel.execute('Object.keys(sampler).length; await new Promise(() => {});', {}, 20_000);
  await pause(100);
  await kernel.request('control', 'interrupt_request', {});
  expect((await cell).reply).toMatchObject({ ename: 'KeyboardInterrupt' });
  expect(result((await kernel.execute('typeof sampler.euler')).published)).toBe("'function'");
});

test('a native call of an engine ends the cell when it returns; its memory does not grow', async () => {
  await kernel.execute(`await engine.use('onnx', { threads: 1 });
    const a = tf.randomNormal([800, 800]);
    await a.data();
    const chain = () => tf.tidy(() => {
      let x: tf.Tensor = a;
      for (let i = 0; i < 30; i++) x = tf.matMul(x, a).mul(1e-3);
      return x.sum().dataSync()[0];
    });`);
  const held = async (): Promise<unknown> => result((await kernel.execute('engine.report().memoryBytes')).published);
  await kernel.execute('chain()');
  const before = await held();
  const { ended } = await begin('while (true) chain();');
  await kernel.request('control', 'interrupt_request', {});
  expect((await ended).reply).toMatchObject({ status: 'error', ename: 'KeyboardInterrupt' });
  expect(result((await kernel.execute('kept + 1')).published)).toBe('42');
  await kernel.execute('chain()');
  expect(await held()).toBe(before);
});

const LOSS = `await engine.use('onnx', { threads: 1 });
  const weight = tf.variable(tf.randomNormal([300, 300]));
  const loss = () => tf.tidy(() => {
    let x: tf.Tensor = weight;
    for (let i = 0; i < 20; i++) x = tf.matMul(x, weight).mul(1e-3);
    return x.sum() as tf.Scalar;
  });
  const step = () => { const { value, grads } = tf.variableGrads(loss); value.dataSync(); tf.dispose([value, grads]); };`;

test.each(['while (true) step();', 'await 1; while (true) step();', 'while (true) { step(); await 1; }'])(
  'an interrupt within a gradient leaves no tensor, scope or tape behind: %s',
  async (code) => {
    await kernel.execute(LOSS);
    const open = async (): Promise<unknown> =>
      result((await kernel.execute('step(); [tf.memory().numTensors, engine.report().memoryBytes].join()')).published);
    const before = await open();
    for (let i = 0; i < 3; i++) {
      const { ended } = await begin(code);
      await pause(37 * i);
      await kernel.request('control', 'interrupt_request', {});
      expect((await ended).reply).toMatchObject({ ename: 'KeyboardInterrupt' });
    }
    expect(await open()).toBe(before);
  },
);

test('an interrupt on the way back of a gradient leaves nothing of the way forth', async () => {
  await kernel.execute(`await engine.use('onnx', { threads: 1 });
    const slowly = tf.customGrad((x) => ({ value: tf.square(x as tf.Tensor), gradFunc: (dy) => {
      for (const end = Date.now() + 1000; Date.now() < end; );
      return tf.mul(dy, 2);
    } }));
    const at = tf.variable(tf.scalar(3));
    const held = tf.memory().numTensors;`);
  const { ended } = await begin('tf.variableGrads(() => slowly(at).asScalar())');
  await kernel.request('control', 'interrupt_request', {});
  expect((await ended).reply).toMatchObject({ ename: 'KeyboardInterrupt' });
  expect(result((await kernel.execute('tf.memory().numTensors - held')).published)).toBe('0');
});

test('an interrupted training generator releases what it holds before the cell’s own finally', async () => {
  await kernel.execute(`${LOSS}
    async function* training() {
      const moments = tf.variable(tf.zeros([300, 300]));
      try { for (let n = 0; ; n++) { step(); moments.assign(moments.add(1)); await Promise.resolve(); yield n; } }
      finally { moments.dispose(); console.log('generator'); }
    }`);
  const { ended } = await begin(
    "try { for await (const _ of progress(training())) {} } finally { weight.dispose(); console.log('cell'); }",
  );
  await pause(200);
  await kernel.request('control', 'interrupt_request', {});
  const { reply, published } = await ended;
  expect(reply).toMatchObject({ ename: 'KeyboardInterrupt' });
  expect(text(published)).toBe('generator\ncell\n');
});

test('a generator that never finishes does not keep the cell from ending', async () => {
  await kernel.execute('async function* stuck() { yield 1; await new Promise(() => {}); }');
  const { ended } = await begin('for await (const _ of stuck()) {}');
  await kernel.request('control', 'interrupt_request', {});
  expect((await ended).reply).toMatchObject({ ename: 'KeyboardInterrupt' });
  expect(result((await kernel.execute('kept + 1')).published)).toBe('42');
});

test('a loop that swallows interrupts around its awaits ends after a few', async () => {
  const { ended } = await begin(
    'while (true) { try { await new Promise((r) => setImmediate(r)); } catch { console.log("swallowed"); } }',
  );
  await kernel.request('control', 'interrupt_request', {});
  const { reply, published } = await ended;
  expect(reply).toMatchObject({ ename: 'KeyboardInterrupt' });
  expect(text(published).match(/swallowed/g)!.length).toBeLessThan(10);
  expect(result((await kernel.execute('kept + 1')).published)).toBe('42');
});

test('what a finally block waits for may finish, in functions that it calls as well', async () => {
  await kernel.execute(
    'const tidy = async () => { await new Promise((r) => setTimeout(r, 400)); await 1; console.log("tidied"); };',
  );
  const { ended } = await begin('try { await new Promise(() => {}); } finally { await tidy(); console.log("done"); }');
  await kernel.request('control', 'interrupt_request', {});
  const { reply, published } = await ended;
  expect(reply).toMatchObject({ ename: 'KeyboardInterrupt' });
  expect(text(published)).toBe('tidied\ndone\n');
});

test('a second interrupt ends a finally block that never finishes', async () => {
  const { ended } = await begin(
    'try { await new Promise(() => {}); } finally { console.log("waits"); await new Promise(() => {}); }',
  );
  const waits = new Promise<void>((resolve) => {
    const stop = kernel.listen(({ content }) => {
      if (content['text'] !== 'waits\n') return;
      stop();
      resolve();
    });
  });
  await kernel.request('control', 'interrupt_request', {});
  await waits;
  await kernel.request('control', 'interrupt_request', {});
  expect((await ended).reply).toMatchObject({ ename: 'KeyboardInterrupt' });
});

test('thrown null is no interrupt, and a promise that never leaves the microtasks is ended', async () => {
  expect((await kernel.execute('throw null')).reply).toMatchObject({ ename: 'Thrown', evalue: 'null' });
  const { ended } = await begin('const again: any = { then(r: any) { r(again); } }; await again;');
  await kernel.request('control', 'interrupt_request', {});
  expect((await ended).reply).toMatchObject({ ename: 'KeyboardInterrupt' });
  expect(result((await kernel.execute('kept + 1')).published)).toBe('42');
});

test('late output belongs to the cell that set the timer', async () => {
  const late: [string, string][] = [];
  const done = new Promise<void>((resolve) => {
    const stop = kernel.listen(({ header, parent, content }, from) => {
      if (from !== 'iopub' || header.msg_type !== 'stream') return;
      late.push([String(parent['msg_id']), String(content['text'])]);
      if (!String(content['text']).includes('loose')) return;
      stop();
      resolve();
    });
  });
  const first = await kernel.execute(`let isTold = () => {}; const told = new Promise<void>((r) => { isTold = r; });
setTimeout(() => console.log('timer'), 20);
setTimeout(() => { throw new Error('failed'); }, 30);
void (async () => { await told; await new Promise((r) => setTimeout(r, 40)); console.log('loose'); })();`);
  const second = await kernel.execute('console.log("second"); isTold(); await new Promise((r) => setTimeout(r, 100));');
  await done;
  const [one, two] = [first, second].map(({ published }) => published[0]!.parent['msg_id']);
  const of = (id: unknown): string =>
    late
      .filter(([parent]) => parent === id)
      .map(([, told]) => told)
      .join('');
  expect(of(one)).toMatch(/timer[\s\S]*failed[\s\S]*loose/);
  expect(of(two)).toBe('second\n');
});
