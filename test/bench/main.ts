/**
 * Benchmarks: `npm run bench -- engine|conv|kernel [--large] [--threads 2] [--rounds 5] [--json FILE]`, run from the sources
 * through tsx. Where REWARD_FORCING_PYTHON names a Python that has PyTorch, it is timed in turn with ours. Each prints a
 * table and, with --json, writes what it measured. Close other programs first: two threads that wait for each
 * other suffer from any third.
 */
import { writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';

/** What a benchmark is told. */
export interface BenchOptions {
  threads: number;
  rounds: number;
  /** Include the sizes that take minutes. */
  large: boolean;
}

/** A benchmark returns its rows: one for each size. */
export type Bench = (options: BenchOptions) => Promise<Record<string, unknown>[]>;

const benches: Readonly<Record<string, () => Promise<Bench>>> = {
  engine: async () => (await import('./engine.ts')).benchEngine,
  conv: async () => (await import('./conv.ts')).benchConv,
  kernel: async () => (await import('./kernel.ts')).benchKernel,
};

async function main(): Promise<void> {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      threads: { type: 'string', default: '2' },
      rounds: { type: 'string', default: '5' },
      large: { type: 'boolean', default: false },
      json: { type: 'string' },
    },
  });
  const [name = 'engine'] = positionals;
  const load = benches[name];
  if (!load) throw new Error(`no benchmark '${name}'; there are: ${Object.keys(benches).join(', ')}`);
  const options = { threads: Number(values.threads), rounds: Number(values.rounds), large: values.large };
  const rows = await (await load())(options);
  console.table(rows);
  if (values.json) writeFileSync(values.json, `${JSON.stringify({ name, ...options, rows }, null, 2)}\n`);
}

await main();
