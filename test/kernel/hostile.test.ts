import { tmpdir } from 'node:os';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { KernelClient } from '../../kernel/client/client.ts';
import { begin, ofType, result, startKernel, text } from './start.ts';

/** A cell that shows `bundle`, which is code. */
const shows = (bundle: string): string => `({ [Symbol.for('Jupyter.display')]: () => (${bundle}) })`;

/** Cells that show or throw what cannot be written down, and what each is told. */
const values: [what: string, code: string, told: RegExp][] = [
  [
    'a cycle',
    `{ const c: any = {}; c.a = c; display(${shows("{ 'application/json': c }")}); }`,
    /json\.a contains itself/,
  ],
  ['a cycle as the value', `const c: any = {}; c.a = c; ${shows("{ 'application/json': c }")}`, /contains itself/],
  [
    'a BigInt in a figure',
    '({ data: [{ x: [1n, 2n] }], layout: {} })',
    /data\[0\]\.x\[0\] is a bigint.*Number\(value\)/,
  ],
  ['a BigInt', `display(${shows("{ 'application/json': { n: 1n } }")}); 1`, /json\.n is a bigint/],
  ['a function', 'const study1 = { data: [1], layout: { encode: (x: number) => x } }; study1', /encode is a function/],
  ['a symbol', shows("{ 'application/json': [Symbol('s')] }"), /\[0\] is a symbol/],
  ['a Map', shows("{ 'application/json': new Map() }"), /is a Map.*Object\.fromEntries/],
  ['metadata', shows("{ data: { 'text/plain': '' }, metadata: { n: 1n } }"), /metadata\.n is a bigint/],
  [
    'a getter that throws',
    shows("{ 'application/json': { get x() { throw new Error('no'); } } }"),
    /json\.x cannot be read/,
  ],
  ['a toJSON that throws', shows("{ 'application/json': { toJSON() { throw new Error('mine'); } } }"), /mine/],
  ['a proxy that throws', `new Proxy({}, { get() { throw new Error('trap'); } })`, /trap/],
  [
    'a revoked proxy',
    `const p = Proxy.revocable({}, {}); p.revoke(); ${shows("{ 'application/json': p.proxy }")}`,
    /revoked/,
  ],
  [
    'depth without end',
    `const deep = () => ({ get x() { return deep(); } }) as object; ${shows("{ 'application/json': deep() }")}`,
    /500 levels/,
  ],
  ['a thenable that throws', '({ then() { throw new Error("then"); } })', /then/],
  ['a display that returns nothing', shows('undefined'), /returned undefined; wanted an object of MIME types/],
  [
    'a bundle of a thenable that fails',
    shows("({ then(_: unknown, no: (e: Error) => void) { no(new Error('late')); } })"),
    /late/,
  ],
  ['user data of a comm', "kernel.comms.open('x', { n: 1n })", /data\.n is a bigint/],
  ['a message that is a function', 'const e = new Error("x"); (e as any).message = () => 1; throw e', /Function/],
  ['a message that throws', 'throw Object.defineProperty(new Error(), "message", { get() { throw 1; } })', /^$/],
  ['a name that throws', 'throw Object.defineProperty(new Error("m"), "name", { get() { throw 1; } })', /^m$/],
  ['a stack that throws', 'throw Object.defineProperty(new Error("m"), "stack", { get() { throw 1; } })', /^m$/],
  ['a stack that is no text', 'throw Object.assign(new Error("m"), { stack: { a: 1 } })', /^m$/],
  ['its own cause', 'const e: any = new Error("own"); e.cause = e; throw e', /^own$/],
  [
    'a circle of causes',
    'const a: any = new Error("a"), b: any = new Error("b", { cause: a }); a.cause = b; throw a',
    /^a$/,
  ],
  ['a thrown proxy', 'throw new Proxy({}, { get() { throw new Error("trap"); } })', /./],
  ['a thrown value that cannot be shown', 'throw { [Symbol.for("nodejs.util.inspect.custom")]() { throw 1; } }', /./],
  ['null', 'throw null', /^null$/],
  ['undefined', 'throw undefined', /^undefined$/],
  [
    'a prepareStackTrace that throws',
    'Error.prepareStackTrace = () => { throw new Error("pst"); }; throw new Error("x")',
    /^x$/,
  ],
  [
    'a prepareStackTrace of another kind',
    'Error.prepareStackTrace = (_, frames) => frames; throw new Error("y")',
    /^y$/,
  ],
  ['process.abort', 'process.abort()', /process\.abort\(\) ends the cell/],
  ['process.kill', 'process.kill(process.pid, "SIGKILL")', /process\.kill.* ends the cell/],
  ['process.reallyExit', '(process as any).reallyExit(1)', /ends the cell/],
  ['no handlers', 'process.removeAllListeners(); void Promise.reject(new Error("lost")); throw new Error("z")', /^z$/],
  ['a stack without end', 'const f = (): number => f() + 1; f()', /Maximum call stack/],
];

describe('values that cannot be written down are errors of their cell', () => {
  let kernel: KernelClient;
  beforeAll(async () => {
    kernel = await startKernel(tmpdir());
  });
  afterAll(() => kernel.stop());

  test.each(values)('%s', async (_, code, told) => {
    const { reply } = await kernel.execute(code);
    expect(reply).toMatchObject({ status: 'error', evalue: expect.stringMatching(told) });
    expect(reply['ename']).not.toBe('KeyboardInterrupt');
    expect(result((await kernel.execute('"alive"')).published)).toBe("'alive'");
  });

  test('thenables are awaited as promises are', async () => {
    const { published } = await kernel.execute(
      shows("({ then(yes: (x: object) => void) { yes({ 'text/plain': 'at last' }); } })"),
    );
    expect(result(published)).toBe('at last');
  });

  test('typed arrays of a figure are its numbers', async () => {
    const { published } = await kernel.execute('({ data: [{ y: new Float32Array([1, 2]) }], layout: {} })');
    const [shown] = ofType(published, 'execute_result');
    expect(shown?.['data']).toMatchObject({ 'application/vnd.plotly.v1+json': { data: [{ y: [1, 2] }] } });
  });
});

/** Cells that change what the kernel itself is made of. */
const changes = [
  'Promise = null as never',
  'Promise.prototype.then = () => { throw new Error("then"); }',
  'Promise.race = Promise.resolve = null as never',
  'JSON = null as never',
  'JSON.stringify = () => { throw new Error("stringify"); }',
  'Function.prototype.call = Function.prototype.apply = () => { throw new Error("call"); }',
  'Object = null as never; Array = null as never; Map = null as never; Error = null as never; Symbol = null as never',
  'Object.keys = Object.entries = Object.defineProperty = null as never',
  'Array.prototype.map = Array.prototype.push = Array.prototype[Symbol.iterator] = null as never',
  'Map.prototype.get = Map.prototype.set = Set.prototype.add = null as never',
  'String.prototype.split = String.prototype.replace = RegExp.prototype.exec = null as never',
  '(Object.prototype as any).get = (Object.prototype as any).set = () => 1',
  '(Object.prototype as any).then = () => {}',
  '(Object.prototype as any).toJSON = () => 1; (Array.prototype as any).toJSON = () => 2',
  '(Object.prototype as any).ok = false; (Object.prototype as any).data = {}; (Object.prototype as any).timeout = "x"',
  'setTimeout = setImmediate = queueMicrotask = null as never; Date.now = () => NaN',
  'AbortController.prototype.abort = null as never; Atomics = null as never; Buffer = null as never',
];

test.each(changes)('a kernel keeps its own built-ins: %s', async (change) => {
  const kernel = await startKernel(tmpdir());
  try {
    expect((await kernel.execute(`// @ts-nocheck\n${change}; "changed"`)).reply['status']).toBe('ok');
    const next = await kernel.execute('let sum = 1; console.log("said"); sum + 1');
    expect(result(next.published)).toBe('2');
    expect(text(next.published)).toBe('said\n');
    expect((await kernel.execute('throw 7')).reply).toMatchObject({ ename: 'Thrown', evalue: '7' });
    expect(ofType((await kernel.execute('display(sum)')).published, 'display_data')).toHaveLength(1);
    const { ended } = await begin(kernel, 'await new ((async () => {})().constructor as any)(() => {})');
    await kernel.request('control', 'interrupt_request', {});
    expect((await ended).reply['status']).toBe('error');
    expect(result((await kernel.execute('sum')).published)).toBe('1');
  } finally {
    await kernel.stop();
  }
});
