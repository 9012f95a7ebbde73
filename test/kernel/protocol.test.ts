import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { Subscriber } from 'zeromq';
import type { KernelClient } from '../../kernel/client/client.ts';
import { type Json, parse, Signer } from '../../kernel/protocol/wire.ts';
import { begin, ofType, result, startKernel, text } from './start.ts';

let kernel: KernelClient;
const folder = mkdtempSync(join(tmpdir(), 'notebook-'));

beforeAll(async () => {
  writeFileSync(join(folder, 'helper.ts'), 'export function double(x: number): number { return 2 * x; }\n');
  kernel = await startKernel(folder);
});

afterAll(() => kernel.stop());

async function ask(type: string, content: Json): Promise<Json> {
  return (await kernel.request('shell', type, content)).content;
}

describe('execute', () => {
  test('publishes busy, input, result and idle in this order', async () => {
    const { reply, published } = await kernel.execute('1 + 1');
    expect(reply['status']).toBe('ok');
    expect(published.map((message) => message.header.msg_type)).toEqual([
      'status',
      'execute_input',
      'execute_result',
      'status',
    ]);
    expect(result(published)).toBe('2');
  });

  test('counts only cells that are stored', async () => {
    const first = (await kernel.execute('0')).reply['execution_count'] as number;
    const silent = await kernel.execute('0', { silent: true });
    expect(silent.published.map((message) => message.header.msg_type)).toEqual(['status', 'status']);
    await kernel.execute('0', { store_history: false });
    expect((await kernel.execute('0')).reply['execution_count']).toBe(first + 1);
  });

  test('a declaration can be repeated with another type', async () => {
    await kernel.execute('const value = 1;');
    const { published } = await kernel.execute('const value = "text"; value.length');
    expect(result(published)).toBe('4');
  });

  test('names of earlier cells work as shorthand properties, unless something nearer has the name', async () => {
    await kernel.execute('const short = 1; let changed = 0;');
    expect(result((await kernel.execute('({ short })')).published)).toBe('{ short: 1 }');
    expect(result((await kernel.execute('((short: number) => ({ short }))(2)')).published)).toBe('{ short: 2 }');
    expect(result((await kernel.execute('({ changed } = { changed: 5 }); changed')).published)).toBe('5');
    expect(result((await kernel.execute('await 0; const own = { short, changed }; own')).published)).toBe(
      '{ short: 1, changed: 5 }',
    );
  });

  test('top-level await, for await and promises as values', async () => {
    expect(result((await kernel.execute('await Promise.resolve(3)')).published)).toBe('3');
    expect(result((await kernel.execute('Promise.resolve(4)')).published)).toBe('4');
    const loop = 'for await (const n of (async function* () { yield 1; yield 2; })()) console.log(n);';
    expect(text((await kernel.execute(loop)).published)).toBe('1\n2\n');
  });

  test('imports relative TypeScript files and ESM-only packages', async () => {
    expect(result((await kernel.execute('import { double } from "./helper"; double(21)')).published)).toBe('42');
    expect(result((await kernel.execute('import * as d3 from "d3-array"; d3.sum([1, 2])')).published)).toBe('3');
  });

  test('files that appear or change are seen by the next cell that imports them', async () => {
    const value = async (code: string): Promise<unknown> => result((await kernel.execute(code)).published);
    const cell = 'import { made } from "./made-later"; made';
    expect((await kernel.execute(cell)).reply).toMatchObject({ ename: 'TypeScriptError' });
    writeFileSync(join(folder, 'made-later.ts'), 'export const made: number = 2;\n');
    expect(await value(cell)).toBe('2');
    writeFileSync(join(folder, 'made-later.ts'), 'export const made: string = "text";\n');
    expect(await value(cell)).toBe("'text'");
    expect(await value('made.length')).toBe('4');
  });

  test('user expressions are evaluated after the cell, each with its own status', async () => {
    const { reply } = await kernel.execute('let base = 20;', {
      user_expressions: { good: 'base + 1', bad: 'missing' },
    });
    const answers = reply['user_expressions'] as Record<string, Json>;
    expect(answers['good']).toMatchObject({ status: 'ok', data: { 'text/plain': '21' } });
    expect(answers['bad']).toMatchObject({ status: 'error', ename: 'TypeScriptError' });
  });

  test('an error stops the cells behind it, unless asked not to', async () => {
    const behindFailing = async (options: Json): Promise<unknown> => {
      const { ended } = await begin(kernel, 'await new Promise(() => {});', options);
      const behind = kernel.execute('1');
      // Answered once the kernel has the cell, too.
      await kernel.request('shell', 'kernel_info_request', {});
      await kernel.request('control', 'interrupt_request', {});
      expect((await ended).reply['status']).toBe('error');
      return (await behind).reply['status'];
    };
    expect(await behindFailing({})).toBe('aborted');
    expect(await behindFailing({ stop_on_error: false })).toBe('ok');
  });

  test('10,000 lines of output arrive whole and in order', async () => {
    const { published } = await kernel.execute('for (let i = 0; i < 10_000; i++) console.log(i);');
    expect(text(published)).toBe(Array.from({ length: 10_000 }, (_, i) => `${i}\n`).join(''));
  });

  test('output on both streams keeps its order', async () => {
    const { published } = await kernel.execute('console.log("a"); console.error("b"); console.log("c");');
    expect(ofType(published, 'stream').map(({ name, text: t }) => [name, t])).toEqual([
      ['stdout', 'a\n'],
      ['stderr', 'b\n'],
      ['stdout', 'c\n'],
    ]);
  });
});

describe('errors', () => {
  test('a type error names the cell line and underlines the place', async () => {
    const { published, reply } = await kernel.execute('const fine = 1;\nconst bad: number = "s";');
    expect(reply).toMatchObject({ status: 'error', ename: 'TypeScriptError' });
    const [error] = ofType(published, 'error');
    const trace = error?.['traceback'] as string[];
    expect(trace[0]).toMatch(/^cell-\d+\.ts:2:7 - TS2322/);
    expect(trace[2]).toBe('        ~~~');
  });

  test('a traceback shows only the own lines of the cells', async () => {
    await kernel.execute('function inner(): never {\n  throw new RangeError("deep");\n}');
    const { published } = await kernel.execute('await 1;\nfunction outer(): never {\n  return inner();\n}\nouter();');
    const trace = ofType(published, 'error')[0]?.['traceback'] as string[];
    expect(trace[0]).toBe('RangeError: deep');
    expect(trace[1]).toMatch(/inner \(cell-\d+\.ts:2:9\)/);
    expect(trace[2]).toMatch(/outer \(cell-\d+\.ts:3:10\)/);
    expect(trace.join('\n')).not.toMatch(/node:|tslab|dist/);
  });

  test('an error that is printed or is a value tells the cell’s own lines', async () => {
    const { published } = await kernel.execute('\n\nconst made = new Error("kept");\nconsole.error(made.stack);\nmade');
    const shown = [text(published, 'stderr'), String(result(published))];
    for (const lines of shown.map((one) => one.trim().split('\n'))) {
      expect(lines[0]).toBe('Error: kept');
      expect(lines[1]).toMatch(/^ +at cell-\d+\.ts:3:14$/);
      expect(lines).toHaveLength(2);
    }
  });

  test('process.exit ends the cell and not the kernel', async () => {
    await kernel.execute('let before = 5;');
    const { published, reply } = await kernel.execute('before += 1;\nprocess.exit(3);\nbefore += 1;');
    expect(reply).toMatchObject({ status: 'error', ename: 'ProcessExit' });
    expect(ofType(published, 'error')[0]?.['traceback']).toContainEqual(expect.stringMatching(/cell-\d+\.ts:2:/));
    expect(result((await kernel.execute('before')).published)).toBe('6');
  });

  test('a thrown value that is no error is shown', async () => {
    const { reply } = await kernel.execute('throw { code: 7 };');
    expect(reply).toMatchObject({ ename: 'Thrown', evalue: '{ code: 7 }' });
  });

  test('errors in timers and promises show and leave the kernel alive', async () => {
    const cell =
      'setTimeout(() => { throw new Error("late"); }, 5); void Promise.reject(new Error("lost")); await new Promise(r => setTimeout(r, 60));';
    const { published, reply } = await kernel.execute(cell);
    expect(reply['status']).toBe('ok');
    expect(text(published, 'stderr')).toMatch(/late/);
    expect(text(published, 'stderr')).toMatch(/lost/);
    expect(result((await kernel.execute('"alive"')).published)).toBe("'alive'");
  });
});

test('import.meta.url is that of a module in the notebook’s folder', async () => {
  const { published } = await kernel.execute('new URL("./data.json", import.meta.url).href');
  expect(result(published)).toBe(`'${pathToFileURL(join(folder, 'data.json')).href}'`);
});

test('TensorFlow.js says once that an engine is faster', async () => {
  const { published } = await kernel.execute('const one = tf.scalar(1); one.add(tf.scalar(2)).dataSync()[0]');
  expect(result(published)).toBe('3');
  expect(text(published, 'stderr')).toMatch(/^[^\n]*interpreter[^\n]*engine\.use\('auto'\)[^\n]*\n$/);
  expect(text((await kernel.execute('tf.scalar(3).dataSync()[0]')).published, 'stderr')).toBe('');
});

describe('display', () => {
  test('objects choose their own bundle, synchronously or not', async () => {
    const cell =
      'class Shown { [Symbol.for("Jupyter.display")]() { return { "text/html": "<b>x</b>", "image/png": new Uint8Array([1, 2, 3]) }; } } new Shown()';
    const [content] = ofType((await kernel.execute(cell)).published, 'execute_result');
    expect(content?.['data']).toEqual({ 'text/html': '<b>x</b>', 'image/png': 'AQID' });
    const later = 'display({ [Symbol.for("Jupyter.display")]: async () => ({ "text/plain": "later" }) });';
    expect(ofType((await kernel.execute(later)).published, 'display_data')[0]?.['data']).toEqual({
      'text/plain': 'later',
    });
  });

  test('a display is updated in place', async () => {
    const { published } = await kernel.execute('const handle = display(1); handle.update(2);');
    const [shown] = ofType(published, 'display_data');
    const [updated] = ofType(published, 'update_display_data');
    expect(updated?.['transient']).toEqual(shown?.['transient']);
    expect(updated?.['data']).toEqual({ 'text/plain': '2' });
  });

  test('progress passes items through and ends at the total', async () => {
    const { published } = await kernel.execute('for await (const n of progress([1, 2, 3])) console.log(n);');
    expect(text(published)).toBe('1\n2\n3\n');
    const last = ofType(published, 'update_display_data').at(-1)?.['data'] as Json;
    expect(last['text/plain']).toMatch(/^3\/3/);
  });

  test('clearOutput asks the front end', async () => {
    const { published } = await kernel.execute('clearOutput(true)');
    expect(ofType(published, 'clear_output')).toEqual([{ wait: true }]);
  });
});

describe('language services', () => {
  test('completion knows the session and counts characters', async () => {
    await kernel.execute('const session = { alpha: 1, beta: "b" };');
    const code = '"😀"; session.al';
    const reply = await ask('complete_request', { code, cursor_pos: [...code].length });
    expect(reply['matches']).toContain('alpha');
    expect(reply['cursor_start']).toBe([...code].length - 2);
  });

  test('completion answers while a cell computes', async () => {
    const busy = kernel.execute('{ const end = Date.now() + 1000; while (Date.now() < end); }');
    const reply = await kernel.request('shell', 'complete_request', { code: 'Math.sq', cursor_pos: 7 }, 900);
    expect(reply.content['matches']).toContain('sqrt');
    await busy;
  });

  test('inspection shows type and documentation', async () => {
    await kernel.execute('/** Twice its argument. */\nfunction twice(x: number): number { return 2 * x; }');
    const reply = await ask('inspect_request', { code: 'twice(2)', cursor_pos: 3, detail_level: 0 });
    expect(reply['found']).toBe(true);
    expect((reply['data'] as Json)['text/plain']).toMatch(/twice\(x: number\): number[\s\S]*Twice its argument/);
  });

  test.each([
    ['1', 'complete'],
    ['function f() { return 1 }', 'complete'],
    ['function f() {', 'incomplete'],
    ['let x = [', 'incomplete'],
    ['`abc', 'incomplete'],
    ['for (let i = 0; i < 3; i++) {', 'incomplete'],
    ['let 1x = 2', 'invalid'],
    ['import from 7 7', 'invalid'],
  ])('is_complete: %s is %s', async (code, status) => {
    expect((await ask('is_complete_request', { code }))['status']).toBe(status);
  });

  test('history by tail, range and search', async () => {
    await kernel.execute('"needle 1"');
    await kernel.execute('"needle 2"');
    const tail = (await ask('history_request', { hist_access_type: 'tail', n: 1, output: false, raw: true }))[
      'history'
    ];
    expect((tail as unknown[][])[0]?.[2]).toBe('"needle 2"');
    const search = { hist_access_type: 'search', pattern: '"needle ?"', unique: true, n: 5, output: false, raw: true };
    expect((await ask('history_request', search))['history']).toHaveLength(2);
  });

  test('kernel_info has everything that clients read', async () => {
    const info = await ask('kernel_info_request', {});
    expect(info).toMatchObject({
      status: 'ok',
      protocol_version: '5.4',
      language_info: { name: 'typescript', file_extension: '.ts' },
    });
  });
});

describe('comms', () => {
  test('a comm echoes data and buffers, is listed, and an unknown target is closed', async () => {
    await kernel.execute(
      'kernel.comms.register("echo", (comm) => { comm.onMessage = ({ data, buffers }) => comm.send({ got: data }, buffers); });',
    );
    const seen: { type: string; content: Json; buffers: Uint8Array[] }[] = [];
    const stop = kernel.listen(({ header, content, buffers }, from) => {
      if (from === 'iopub') seen.push({ type: header.msg_type, content, buffers });
    });
    kernel.send('shell', 'comm_open', { comm_id: 'one', target_name: 'echo', data: {} });
    kernel.send('shell', 'comm_msg', { comm_id: 'one', data: { n: 1 } }, [Buffer.from('bytes')]);
    kernel.send('shell', 'comm_open', { comm_id: 'two', target_name: 'nobody', data: {} });
    await kernel.execute('0');
    stop();
    const echoed = seen.find(({ type }) => type === 'comm_msg');
    expect(echoed?.content).toEqual({ comm_id: 'one', data: { got: { n: 1 } } });
    expect(Buffer.from(echoed?.buffers[0] ?? []).toString()).toBe('bytes');
    expect(seen.find(({ type }) => type === 'comm_close')?.content['comm_id']).toBe('two');
    expect((await ask('comm_info_request', {}))['comms']).toEqual({ one: { target_name: 'echo' } });
  });
});

describe('input', () => {
  test('input waits for the answer', async () => {
    const stop = kernel.listen(({ header, content }, from) => {
      if (from === 'stdin' && header.msg_type === 'input_request') {
        expect(content).toEqual({ prompt: 'name? ', password: false });
        kernel.send('stdin', 'input_reply', { value: 'Zoë 😀' });
      }
    });
    const { published } = await kernel.execute('input("name? ")', { allow_stdin: true });
    stop();
    expect(result(published)).toBe("'Zoë 😀'");
  });

  test('a client without input gets an error, not a hang', async () => {
    const { reply } = await kernel.execute('input("?")');
    expect(reply['evalue']).toMatch(/does not allow input/);
  });
});

test('a welcome is the first message of each new subscriber, also while a cell prints', async () => {
  const { ip, iopub_port } = kernel.connection;
  const printing = kernel.execute('for (let i = 0; i < 300; i++) { console.log(i); await new Promise(setImmediate); }');
  for (let i = 0; i < 20; i++) {
    const subscriber = new Subscriber({ linger: 0 });
    subscriber.connect(`tcp://${ip}:${iopub_port}`);
    subscriber.subscribe();
    const { header } = parse(await subscriber.receive(), new Signer(kernel.connection.key));
    expect(header.msg_type).toBe('iopub_welcome');
    subscriber.close();
  }
  expect((await printing).reply['status']).toBe('ok');
});
