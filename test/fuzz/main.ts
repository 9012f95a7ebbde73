/**
 * Mutated inputs, run from the sources through tsx:
 *
 *     npm run fuzz -- weights [--count 1000] [--seed 1]    mutated weight files: none is loaded that contradicts itself
 *     npm run fuzz -- protocol [--count 1000] [--seed 1]   mutated frames on a kernel's five ports: it lives
 *     npm run fuzz -- values [--count 1000] [--seed 1]     values without JSON, shown and thrown: errors of their cells
 *
 * Each kind says on its last line how many were tried and how many were bad, and the status is 1 if any was. A bad case
 * is named with the seed and index that make it again.
 */
import { parseArgs } from 'node:util';

/** Tries `count` inputs made from `seed`; calls `onBad` with each that was answered wrongly. */
export type Fuzz = (count: number, seed: number, onBad: (line: string) => void) => Promise<void>;

const kinds: Readonly<Record<string, () => Promise<Fuzz>>> = {
  protocol: async () => (await import('./protocol.ts')).fuzzProtocol,
  values: async () => (await import('./values.ts')).fuzzValues,
  weights: async () => (await import('./weights.ts')).fuzzWeights,
};

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { count: { type: 'string', default: '1000' }, seed: { type: 'string', default: '1' } },
});
const load = kinds[positionals[0] ?? ''];
if (load === undefined) throw new RangeError(`kind: wanted ${Object.keys(kinds).join(' or ')}`);
const [count, seed] = [Number(values.count), Number(values.seed)];
if (![count, seed].every((value) => Number.isSafeInteger(value) && value >= 0)) {
  throw new RangeError(`--count and --seed: wanted whole numbers, received ${values.count} and ${values.seed}`);
}
let bad = 0;
await (await load())(count, seed, (line) => {
  bad++;
  process.stderr.write(`${line}\n`);
});
process.stdout.write(`${count} tried, ${bad} bad\n`);
process.exitCode = bad === 0 ? 0 : 1;
