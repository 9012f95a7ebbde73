/** Values that have no JSON, shown and thrown: each is an error of its cell, and the kernel goes on. */
import { tmpdir } from 'node:os';
import type { KernelClient } from '../../kernel/client/client.ts';
import { result, startKernel } from '../kernel/start.ts';
import type { Fuzz } from './main.ts';
import { type Random, randomFrom } from './random.ts';

const LIMIT_MS = 60_000;

/** Expressions of values that cannot be written down. */
const LEAVES = [
  '1n',
  '(() => 1)',
  'Symbol("s")',
  '(class A {})',
  'new Map([[1, 2]])',
  'new Set([1])',
  '(() => { const c: any = {}; c.self = c; return c; })()',
  '(() => { const c: any[] = []; c.push([c]); return c; })()',
  '({ get x() { throw new Error("getter"); } })',
  '({ toJSON() { throw new Error("toJSON"); } })',
  '({ toJSON() { return 2n; } })',
  'new Proxy({}, { ownKeys() { throw new Error("trap"); } })',
  '(() => { const { proxy, revoke } = Proxy.revocable({}, {}); revoke(); return proxy; })()',
  '(() => { const deep = (): object => ({ get x() { return deep(); } }); return deep(); })()',
  'new BigInt64Array(2)',
  'async function* named() { yield 1; }',
].map((leaf) => (leaf.startsWith('async') ? `(${leaf})` : leaf));

/** What may lie around a value. */
const AROUND: readonly ((inner: string) => string)[] = [
  (inner) => inner,
  (inner) => `[1, ${inner}]`,
  (inner) => `{ a: ${inner} }`,
  (inner) => `[{ b: [${inner}] }]`,
  (inner) => `{ get late() { return ${inner}; } }`,
  (inner) => `{ toJSON: () => ({ c: ${inner} }) }`,
];

const display = (bundle: string): string => `({ [Symbol.for('Jupyter.display')]: () => (${bundle}) })`;

/** Places where a value is written down. */
const SHOWN: readonly ((value: string) => string)[] = [
  (value) => display(`{ 'application/json': ${value} }`),
  (value) => display(`{ data: { 'text/plain': '' }, metadata: { m: ${value} } }`),
  (value) => `display(${display(`{ 'application/json': ${value} }`)}); 1`,
  (value) => `const handle = display(1); handle.update(${display(`{ 'application/json': ${value} }`)});`,
  (value) => `({ [Symbol.for('Jupyter.display')]: async () => ({ 'application/json': ${value} }) })`,
  (value) => `({ data: [{ x: ${value} }], layout: {} })`,
  (value) => `({ data: [], layout: { title: ${value} } })`,
  (value) => `kernel.comms.open('target', { v: ${value} });`,
];

/** Ways of a value into an error. */
const THROWN: readonly ((value: string) => string)[] = [
  (value) => `throw ${value};`,
  (value) => `throw new Error('m', { cause: ${value} });`,
  (value) => `throw Object.assign(new Error('m'), { extra: ${value} });`,
  ...['message', 'name', 'stack', 'cause', 'constructor'].flatMap((member) => [
    (value: string) => `throw Object.defineProperty(new Error('m'), '${member}', { value: ${value} });`,
    (value: string) => `throw Object.defineProperty(new Error('m'), '${member}', { get() { throw ${value}; } });`,
  ]),
  (value) => `await 0; throw ${value};`,
  (value) => `Promise.reject(${value})`,
  (value) => `Error.prepareStackTrace = () => ${value}; throw new Error('m');`,
  (value) => `throw { [Symbol.for('nodejs.util.inspect.custom')]() { throw ${value}; } };`,
];

/** Shows and throws values in turn, in one kernel as long as it lives. */
export const fuzzValues: Fuzz = async (count, seed, onBad) => {
  const random = randomFrom(seed);
  let kernel = await startKernel(tmpdir());
  for (let i = 0; i < count; i++) {
    const value = wrapped(random.one(LEAVES), random);
    const code = `// @ts-nocheck\n${random.one(i % 2 === 0 ? SHOWN : THROWN)(value)}`;
    const wrong = await tried(kernel, code);
    if (!wrong) continue;
    onBad(`input ${i} of seed ${seed}, ${wrong}: ${code}`);
    kernel.kill();
    await kernel.stop();
    kernel = await startKernel(tmpdir());
  }
  await kernel.stop();
};

function wrapped(leaf: string, random: Random): string {
  let value = leaf;
  for (let depth = random.below(4); depth > 0; depth--) value = `(${random.one(AROUND)(value)})`;
  return value;
}

async function tried(kernel: KernelClient, code: string): Promise<string | null> {
  try {
    const { reply } = await kernel.execute(code, {}, LIMIT_MS);
    const told = [reply['ename'], reply['evalue']];
    if (reply['status'] !== 'error') return `no error: ${JSON.stringify(reply)}`;
    if (told.some((text) => typeof text !== 'string')) return `an error that is no text: ${JSON.stringify(told)}`;
    const { published } = await kernel.execute('"alive"', {}, LIMIT_MS);
    return result(published) === "'alive'" ? null : 'the kernel does not go on';
  } catch (error) {
    return (error as Error).message;
  }
}
