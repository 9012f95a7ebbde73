/**
 * Benchmarks, run from the sources through tsx:
 *
 *     npm run bench -- engine [--only TEXT] [--sides onnx,torch] [--large] [--threads 2] [--rounds 5] [--json FILE]
 *     npm run bench -- reward [--only TEXT] [--threads 2] [--rounds 5] [--json FILE]
 *     npm run bench -- wan [--only load|block] [--threads 2] [--rounds 5] [--json FILE]
 *     npm run bench -- kernel [--rounds 5] [--json FILE]
 *     npm run bench -- table [FILE]      prints the README's table of a file that `engine` or `kernel --json` wrote
 *
 * Where REWARD_FORCING_PYTHON names a Python that has PyTorch, it is timed in turn with ours. Close other programs
 * first: two threads that wait for each other suffer from any third.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { type KernelResults, kernelTable } from './kernel-table.ts';
import { machine } from './machine.ts';
import { ownFile } from './peer.ts';
import { type Results, tableOf } from './table.ts';

/** What a benchmark is told. */
export interface BenchOptions {
  threads: number;
  rounds: number;
  /** Include the sizes that take minutes. */
  large: boolean;
  /** Measure only what holds this text in its name. */
  only: string | undefined;
  /** Measure only these sides; undefined for all there are. */
  sides: readonly string[] | undefined;
}

/** A benchmark returns its rows: one for each size. */
export type Bench = (options: BenchOptions) => Promise<Record<string, unknown>[]>;

const benches: Readonly<Record<string, () => Promise<Bench>>> = {
  engine: async () => (await import('./engine.ts')).benchEngine,
  kernel: async () => (await import('./kernel.ts')).benchKernel,
  reward: async () => (await import('./reward.ts')).benchReward,
  wan: async () => (await import('./wan.ts')).benchWan,
};

async function main(): Promise<void> {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      threads: { type: 'string', default: '2' },
      rounds: { type: 'string', default: '5' },
      large: { type: 'boolean', default: false },
      only: { type: 'string' },
      sides: { type: 'string' },
      json: { type: 'string' },
    },
  });
  const [name = 'engine', file = ownFile('results/engine.json')] = positionals;
  if (name === 'table') {
    const results = JSON.parse(readFileSync(file, 'utf8')) as Results & KernelResults & { name: string };
    console.log(results.name === 'kernel' ? kernelTable(results) : tableOf(results));
    return;
  }
  const load = benches[name];
  if (!load) throw new Error(`no benchmark '${name}'; there are: ${[...Object.keys(benches), 'table'].join(', ')}`);
  const { threads, rounds, large, only, sides, json } = values;
  const options = { threads: Number(threads), rounds: Number(rounds), large, only, sides: sides?.split(',') };
  const rows = await (await load())(options);
  const results = { name, machine: machine(), threads: options.threads, rounds: options.rounds, rows };
  console.log(name === 'engine' ? tableOf(results as unknown as Results) : rows);
  if (json) writeFileSync(json, `${JSON.stringify(results, null, 2)}\n`);
}

await main();
