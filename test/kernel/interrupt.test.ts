import { tmpdir } from 'node:os';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { KernelClient } from '../../kernel/client/client.ts';
import { result, startKernel } from './start.ts';

let kernel: KernelClient;

beforeAll(async () => {
  kernel = await startKernel(tmpdir());
  await kernel.execute('let kept = 41;');
});

afterAll(() => kernel.stop());

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

test.each([
  ['a pending await', 'await new Promise(() => {});'],
  ['a synchronous loop', 'while (true) {}'],
  ['a loop after an await', 'await 1; while (true) {}'],
  ['a wait for input', 'input("?")'],
])('an interrupt request ends %s and keeps the state', async (_, code) => {
  const cell = kernel.execute(code, { allow_stdin: true }, 20_000);
  await pause(400);
  expect((await kernel.request('control', 'interrupt_request', {})).content['status']).toBe('ok');
  expect((await cell).reply).toMatchObject({ status: 'error', ename: 'KeyboardInterrupt' });
  expect(result((await kernel.execute('kept + 1')).published)).toBe('42');
});

test.each([
  ['a pending await', 'await new Promise(() => {});'],
  ['a synchronous loop', 'while (true) {}'],
])('SIGINT ends %s', async (_, code) => {
  const cell = kernel.execute(code, {}, 20_000);
  await pause(400);
  kernel.process.kill('SIGINT');
  expect((await cell).reply).toMatchObject({ status: 'error', ename: 'KeyboardInterrupt' });
  expect(result((await kernel.execute('kept + 1')).published)).toBe('42');
});

test('an interrupt stops an async generator at its next step', async () => {
  const steps =
    'let steps = 0; async function* run() { while (true) { steps++; await new Promise(r => setTimeout(r, 5)); yield steps; } }';
  await kernel.execute(steps);
  const cell = kernel.execute('for await (const _ of run()) {}', {}, 20_000);
  await pause(300);
  await kernel.request('control', 'interrupt_request', {});
  expect((await cell).reply).toMatchObject({ ename: 'KeyboardInterrupt' });
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
  const cell = kernel.execute('const before = [1, 2]; await new Promise(() => {});', {}, 20_000);
  await pause(300);
  await kernel.request('control', 'interrupt_request', {});
  await cell;
  expect(result((await kernel.execute('before.length')).published)).toBe('2');
  await kernel.execute('const early = 7; throw new Error("after");');
  expect(result((await kernel.execute('early')).published)).toBe('7');
});

test('an interrupt while the library loads ends the cell and leaves the library whole', async () => {
  const cell = kernel.execute('Object.keys(sampler).length; await new Promise(() => {});', {}, 20_000);
  await pause(100);
  await kernel.request('control', 'interrupt_request', {});
  expect((await cell).reply).toMatchObject({ ename: 'KeyboardInterrupt' });
  expect(result((await kernel.execute('typeof sampler.euler')).published)).toBe("'function'");
});
