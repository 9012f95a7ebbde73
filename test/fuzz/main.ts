/**
 * Tries inputs that nobody would write, many of them, from the built package:
 *
 *     npm run fuzz -- protocol [--count 10000] [--seed 1]     mutated frames on a kernel's five ports: it lives
 *     npm run fuzz -- values [--count 200] [--seed 1]         values that have no JSON, shown and thrown: errors of their cells
 *
 * Prints what went wrong, and `N tried, N bad` as its last line; exits with 1 where something did.
 */
import { parseArgs } from 'node:util';
import { type Random, randomFrom } from './random.ts';

/** Tries `count` inputs; yields once for each, with what is wrong or null. */
export type Fuzz = (count: number, random: Random) => AsyncGenerator<string | null>;

interface Entry {
  count: number;
  load(): Promise<Fuzz>;
}

const all: Readonly<Record<string, Entry>> = {
  protocol: { count: 10_000, load: async () => (await import('./protocol.ts')).fuzzProtocol },
  values: { count: 200, load: async () => (await import('./values.ts')).fuzzValues },
};

async function main(): Promise<void> {
  const options = { count: { type: 'string' }, seed: { type: 'string', default: '1' } } as const;
  const { values, positionals } = parseArgs({ allowPositionals: true, options });
  const [name = ''] = positionals;
  const entry = all[name];
  if (!entry) throw new Error(`fuzz: received "${name}"; wanted one of ${Object.keys(all).join(', ')}`);
  const count = wholeNumber('count', values.count ?? String(entry.count));
  const fuzz = await entry.load();
  let [tried, bad] = [0, 0];
  for await (const wrong of fuzz(count, randomFrom(wholeNumber('seed', values.seed)))) {
    tried++;
    if (wrong === null) continue;
    bad++;
    process.stdout.write(`${wrong}\n`);
  }
  process.stdout.write(`${tried} tried, ${bad} bad\n`);
  process.exitCode = bad === 0 ? 0 : 1;
}

function wholeNumber(name: string, text: string): number {
  const value = Number(text);
  if (Number.isSafeInteger(value) && value >= 0) return value;
  throw new Error(`--${name}: received ${text}; wanted a whole number of 0 or more`);
}

await main();
