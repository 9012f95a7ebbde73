import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { type AddressInfo, connect, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import fc from 'fast-check';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { Dealer, Request } from 'zeromq';
import type { ClientChannel, KernelClient } from '../../kernel/client/client.ts';
import { createHeader, type Json, parse, Signer, serialize } from '../../kernel/protocol/wire.ts';
import { result, startKernel, text } from './start.ts';

let kernel: KernelClient;

beforeAll(async () => {
  kernel = await startKernel(tmpdir());
});

afterAll(() => kernel.stop());

function message(type: string, content: Json): Uint8Array[] {
  const header = createHeader('fuzz', type);
  return serialize({ identities: [], header, parent: {}, metadata: {}, content, buffers: [] }, signer());
}

function signer(): Signer {
  return new Signer(kernel.connection.key);
}

/** Ports that nobody uses, by the names of a connection file. */
async function freePorts(): Promise<Record<string, number>> {
  const names = ['shell_port', 'iopub_port', 'control_port', 'stdin_port', 'hb_port'];
  const servers = names.map(() => createServer().listen(0, '127.0.0.1'));
  await Promise.all(servers.map((server) => once(server, 'listening')));
  const ports = servers.map((server) => (server.address() as AddressInfo).port);
  await Promise.all(servers.map((server) => once(server.close(), 'close')));
  return Object.fromEntries(names.map((name, i) => [name, ports[i]!]));
}

/** Running, and no zombie that waits for its parent. */
function isRunning(pid: number | undefined): boolean {
  const state = spawnSync('ps', ['-o', 'stat=', '-p', String(pid)])
    .stdout.toString()
    .trim();
  return state !== '' && !state.startsWith('Z');
}

const channel = fc.constantFrom<ClientChannel>('shell', 'control', 'stdin');
const types = [
  'kernel_info_request',
  'complete_request',
  'inspect_request',
  'history_request',
  'is_complete_request',
  'comm_info_request',
  'comm_open',
  'comm_msg',
  'comm_close',
  'interrupt_request',
  'input_reply',
  'debug_request',
  'no_such_request',
  'execute_reply',
];

describe('whatever comes over the wire, the kernel lives', () => {
  afterEach(async () => {
    expect(result((await kernel.execute('"alive"')).published)).toBe("'alive'");
  });

  test('frames of random bytes', async () => {
    const frames = fc.array(fc.uint8Array({ maxLength: 80 }), { minLength: 1, maxLength: 9 });
    await fc.assert(
      fc.asyncProperty(channel, frames, (to, parts) => kernel.sendFrames(to, parts)),
      { numRuns: 150 },
    );
  });

  test('signed messages of known and unknown types with any content, on any channel, in any order', async () => {
    const content = fc.dictionary(
      fc.constantFrom(
        'code',
        'cursor_pos',
        'comm_id',
        'target_name',
        'data',
        'hist_access_type',
        'n',
        'pattern',
        'value',
      ),
      fc.jsonValue({ maxDepth: 2 }),
    );
    await fc.assert(
      fc.asyncProperty(channel, fc.constantFrom(...types), content, (to, type, body) =>
        kernel.sendFrames(to, message(type, body as Json)),
      ),
      { numRuns: 150 },
    );
  });

  test('signed parts that are no JSON objects', async () => {
    const header = Buffer.from(JSON.stringify(createHeader('fuzz', 'execute_request')));
    for (const content of ['', '{', '[]', 'null', '"text"', '{"code":', '\u0000', '{}}']) {
      const parts = [header, Buffer.from('{}'), Buffer.from('{}'), Buffer.from(content)];
      await kernel.sendFrames('shell', [Buffer.from('<IDS|MSG>'), Buffer.from(signer().sign(parts)), ...parts]);
    }
  });

  test('a cell of a million characters', async () => {
    const code = `const long = "${'x'.repeat(1_000_000)}"; long.length`;
    expect(result((await kernel.execute(code)).published)).toBe('1000000');
  });

  test('positions in and beyond text of many bytes', async () => {
    const code = 'const 名前 = "👩‍👩‍👧 e\u0301"; 名';
    const ask = (position: number): Promise<unknown> =>
      kernel.request('shell', 'complete_request', { code, cursor_pos: position });
    for (const position of [-5, 0, 3, 8, 12, 18, [...code].length, 1000]) await ask(position);
    const reply = await kernel.request('shell', 'complete_request', { code, cursor_pos: [...code].length });
    expect(reply.content['matches']).toContain('名前');
    for (const position of [-5, 7, 14, 1000]) {
      await kernel.request('shell', 'inspect_request', { code, cursor_pos: position, detail_level: 0 });
    }
  });

  test('cells that end the process the gentle ways', async () => {
    await kernel.execute('process.stdout.end?.call; setImmediate(() => { throw null; });');
    await kernel.execute('Promise.reject(undefined); new Promise((_, no) => no(Symbol("odd")));');
    await kernel.execute('await new Promise((r) => setTimeout(r, 20))');
  });
});

test('a message with a wrong signature is never executed', async () => {
  const header = createHeader('intruder', 'execute_request');
  const code = 'globalThis.intruded = true;';
  const forged = (key: string): Uint8Array[] =>
    serialize(
      { identities: [], header, parent: {}, metadata: {}, content: { code, silent: false }, buffers: [] },
      new Signer(key),
    );
  for (const key of ['', 'guess', `${kernel.connection.key}0`]) await kernel.sendFrames('shell', forged(key));
  const good = forged(kernel.connection.key);
  good[1] = Buffer.from(String(good[1]).toUpperCase());
  await kernel.sendFrames('shell', good);
  expect(result((await kernel.execute('"intruded" in globalThis')).published)).toBe('false');
});

test('a signed message that comes a second time is not executed again', async () => {
  await kernel.execute('globalThis.times = 0;'.replace('globalThis', '(globalThis as any)'));
  const frames = message('execute_request', { code: '(globalThis as any).times++', silent: false });
  for (let i = 0; i < 3; i++) await kernel.sendFrames('shell', frames);
  expect(result((await kernel.execute('(globalThis as any).times')).published)).toBe('1');
});

test('bytes of any kind on any port are dropped, and the heart beats on', async () => {
  const { connection } = kernel;
  const ports = [connection.shell_port, connection.iopub_port, connection.control_port, connection.stdin_port];
  for (const port of [...ports, connection.hb_port]) {
    for (const bytes of [[1, 0, 2, 0, 0x41], [1, 0, 1, 0], [0xff, 0, 0, 0, 0, 0, 0, 0, 1, 0x7f], [0xff], []]) {
      const socket = connect(port, connection.ip);
      await once(socket, 'connect');
      socket.end(Buffer.from(bytes));
      await once(socket.resume(), 'close');
    }
  }
  const heart = new Request({ linger: 0 });
  heart.connect(`tcp://${connection.ip}:${connection.hb_port}`);
  await heart.send('beat');
  expect(String((await heart.receive())[0])).toBe('beat');
  heart.close();
});

test('a client that comes back under its identity is answered, also while the kernel compiles', async () => {
  const { ip, shell_port } = kernel.connection;
  const busy = kernel.execute(
    `type Long = [${'number, '.repeat(3000)}]; ${'const a = [1, 2].map((n) => n); '.slice(0, -1)}`,
  );
  for (let i = 0; i < 3; i++) {
    const dealer = new Dealer({ routingId: 'the-same', linger: 0 });
    dealer.connect(`tcp://${ip}:${shell_port}`);
    await dealer.send(message('kernel_info_request', {}) as Buffer[]);
    if (i === 2) {
      const { header } = parse(await dealer.receive(), signer());
      expect(header.msg_type).toBe('kernel_info_reply');
    }
    // The first two are dropped without a word, as a network drops them.
    dealer.close();
  }
  await busy;
});

test('a history pattern of many stars is answered', async () => {
  await kernel.execute(`"${'a'.repeat(2000)}"`);
  const search = { hist_access_type: 'search', pattern: `${'*a'.repeat(400)}*b`, output: false, raw: true };
  expect((await kernel.request('shell', 'history_request', search)).content['history']).toEqual([]);
  const found = { ...search, pattern: `*${'a*'.repeat(400)}` };
  expect((await kernel.request('shell', 'history_request', found)).content['history']).not.toEqual([]);
});

test('a kernel whose starter died while it booted ends', async () => {
  const gone = spawnSync(process.execPath, ['-e', '']).pid;
  const main = fileURLToPath(new URL('../../dist/kernel/main.js', import.meta.url));
  const file = join(mkdtempSync(join(tmpdir(), 'orphan-')), 'connection.json');
  writeFileSync(file, JSON.stringify({ ...kernel.connection, ...(await freePorts()) }));
  const env = { ...process.env, JPY_PARENT_PID: String(gone) };
  const orphan = spawn(process.execPath, [main, file], { env, stdio: 'ignore', detached: true });
  const [, signal] = await once(orphan, 'exit');
  expect(signal).toBe('SIGKILL');
});

test.each(['shutdown', 'SIGKILL'] as const)('what cells have started ends with the kernel: %s', async (how) => {
  const one = await startKernel(tmpdir());
  const cell = `import { spawn } from 'node:child_process';
const kept = spawn('sleep', ['60'], { detached: true, stdio: 'ignore' });
[spawn('sleep', ['60']).pid, spawn('sh', ['-c', 'sleep 60; true']).pid, kept.pid].join()`;
  const [first, second, detached] = String(result((await one.execute(cell)).published))
    .replaceAll("'", '')
    .split(',')
    .map(Number);
  const exited = once(one.process, 'exit');
  if (how === 'shutdown') await one.stop();
  else one.process.kill('SIGKILL');
  await exited;
  for (const pid of [first, second]) await expect.poll(() => isRunning(pid), { timeout: 30_000 }).toBe(false);
  expect(isRunning(detached)).toBe(true);
  process.kill(detached!, 'SIGKILL');
  await one.stop();
});

test('a kernel that is killed leaves no process, and its ports and folder can be used again', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'killed-'));
  const one = await startKernel(folder);
  const cell = 'import { spawn } from "node:child_process"; spawn("sleep", ["60"]).pid';
  const child = Number(result((await one.execute(cell)).published));
  expect(isRunning(child)).toBe(true);
  const exited = new Promise((resolve) => one.process.once('exit', resolve));
  one.kill();
  await exited;
  expect(isRunning(one.process.pid)).toBe(false);
  expect(isRunning(child)).toBe(false);
  await one.stop();
  const again = await startKernel(folder);
  writeFileSync(join(folder, 'free.txt'), 'written');
  expect(
    text((await again.execute('console.log(require("node:fs").readFileSync("free.txt", "utf8"))')).published),
  ).toBe('written\n');
  await again.stop();
});

test('a kernel whose starter is killed ends by itself, even in an endless loop', async () => {
  const client = new URL('../../dist/kernel/client/client.js', import.meta.url).href;
  const main = fileURLToPath(new URL('../../dist/kernel/main.js', import.meta.url));
  const code = `const { KernelClient } = await import(${JSON.stringify(client)});
    const kernel = await KernelClient.start({ argv: [process.execPath, ${JSON.stringify(main)}, '{connection_file}'] });
    void kernel.execute('while (true) {}').catch(() => {});
    console.log(kernel.process.pid);`;
  const starter = spawn(process.execPath, ['--input-type=module', '-e', code], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const pid = Number(await new Promise((resolve) => starter.stdout.once('data', resolve)));
  expect(isRunning(pid)).toBe(true);
  starter.kill('SIGKILL');
  await expect.poll(() => isRunning(pid), { timeout: 10_000, interval: 200 }).toBe(false);
});

test('shutdown with restart ends the process, and a new one starts from nothing', async () => {
  const one = await startKernel(tmpdir());
  await one.execute('const before = 1;');
  const exited = new Promise((resolve) => one.process.once('exit', resolve));
  const reply = await one.request('control', 'shutdown_request', { restart: true });
  expect(reply.content).toEqual({ status: 'ok', restart: true });
  expect(await exited).toBe(0);
  await one.stop();
  const next = await startKernel(tmpdir());
  expect((await next.execute('before')).reply).toMatchObject({ status: 'error', ename: 'TypeScriptError' });
  await next.stop();
});

test.skipIf(!existsSync('/proc/self/status'))(
  'memory settles over 200 cells',
  async () => {
    const resident = (): number => {
      const status = readFileSync(`/proc/${kernel.process.pid}/status`, 'utf8');
      return Number(/VmRSS:\s+(\d+)/.exec(status)?.[1]) / 1024;
    };
    for (let i = 0; i < 100; i++) await kernel.execute(`let cell${i} = ${i};`);
    const half = resident();
    for (let i = 100; i < 200; i++) await kernel.execute(`let cell${i} = ${i};`);
    expect(resident() - half).toBeLessThan(120);
  },
  180_000,
);
