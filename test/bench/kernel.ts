/**
 * The notebook kernel against tslab, Deno and ipykernel, in the same run and in turn: start, cells, completion while a
 * cell computes, 10,000 lines of output, the most memory over 200 cells. Deno is the program that REWARD_FORCING_DENO
 * names, or the one on PATH (`npm install deno` brings one); ipykernel is asked of the Python that REWARD_FORCING_PYTHON
 * names, or of the one on PATH. What is not there is listed as skipped.
 */
import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { KernelClient } from '../../kernel/client/client.ts';
import type { BenchOptions } from './main.ts';

/** The same work in each language. */
interface Cells {
  declaration(i: number): string;
  twentyLines: string;
  member: string;
  busy: string;
  lines: string;
}

interface Contestant {
  name: string;
  argv: string[];
  cells: Cells;
}

interface Started extends Contestant {
  kernel: KernelClient;
  startMs: number;
  declarations: number[];
  cells20: number[];
}

type Row = Record<string, unknown>;

const LINES = 10_000;
const LINES_LIMIT_MS = 10_000;
const MEMORY_CELLS = 200;
/** Memory goes up and down with each collection: what counts is the most. */
const SAMPLE_EVERY = 5;

const typescript: Cells = {
  declaration: (i) => `let v${i} = ${i} + 1;`,
  twentyLines: `interface Step { time: number; loss: number; reward: number }
class Trainer<T extends Step> {
  private readonly steps: T[] = [];
  push(step: T): number {
    this.steps.push(step);
    return this.steps.length;
  }
  best(): T | undefined {
    return this.steps.reduce<T | undefined>((a, b) => (a && a.reward > b.reward ? a : b), undefined);
  }
}
const trainer = new Trainer<Step>();
for (let i = 0; i < 10; i++) {
  const reward = Math.sin(i);
  trainer.push({ time: i, loss: 1 / (i + 1), reward });
}
const byName = new Map<string, Step[]>();
byName.set('first', [{ time: 1, loss: 2, reward: 3 }]);
const best = trainer.best();
const total = [...byName.values()].flat().reduce((sum, step) => sum + step.loss, 0);
total + (best?.reward ?? 0)`,
  member: 'trainer.',
  busy: '{ const end = Date.now() + 1500; while (Date.now() < end); }',
  lines: `for (let i = 0; i < ${LINES}; i++) console.log(i);`,
};

const python: Cells = {
  declaration: (i) => `v${i} = ${i} + 1`,
  twentyLines: `import math
class Step:
    def __init__(self, time, loss, reward):
        self.time = time
        self.loss = loss
        self.reward = reward
class Trainer:
    def __init__(self):
        self.steps = []
    def push(self, step):
        self.steps.append(step)
        return len(self.steps)
    def best(self):
        return max(self.steps, key=lambda step: step.reward)
trainer = Trainer()
for i in range(10):
    trainer.push(Step(i, 1 / (i + 1), math.sin(i)))
by_name = {'first': [Step(1, 2, 3)]}
total = sum(step.loss for steps in by_name.values() for step in steps)
total + trainer.best().reward`,
  member: 'trainer.',
  busy: 'import time\nend = time.time() + 1.5\nwhile time.time() < end: pass',
  lines: `for i in range(${LINES}): print(i)`,
};

/** One row for each kernel that can be had. */
export async function benchKernel({ rounds }: BenchOptions): Promise<Row[]> {
  const { found, skipped } = contestants();
  const started = await startInTurn(found, rounds);
  try {
    for (let i = 0; i < 4 * rounds; i++) {
      for (const one of started) one.declarations.push(await timed(() => run(one, one.cells.declaration(i))));
    }
    for (let i = 0; i < 2 * rounds; i++) {
      for (const one of started) one.cells20.push(await timed(() => run(one, one.cells.twentyLines)));
    }
    const rows: Row[] = [];
    for (const one of started) rows.push(await measureRest(one));
    return [...rows, ...shares(rows), ...skipped];
  } finally {
    for (const { kernel } of started) await kernel.stop();
  }
}

function contestants(): { found: Contestant[]; skipped: Row[] } {
  const { REWARD_FORCING_PYTHON: pythonPath = 'python3', REWARD_FORCING_DENO: deno = 'deno' } = process.env;
  const file = '{connection_file}';
  const main = fileURLToPath(new URL('../../dist/kernel/main.js', import.meta.url));
  if (!existsSync(main)) throw new Error(`${main} is missing: run "npm run build" first`);
  const tslab = join(dirname(createRequire(import.meta.url).resolve('tslab/package.json')), 'bin', 'tslab');
  const found: Contestant[] = [
    { name: 'reward-forcing', argv: [process.execPath, main, file], cells: typescript },
    { name: 'tslab', argv: [process.execPath, tslab, 'kernel', `--config-path=${file}`], cells: typescript },
  ];
  const skipped: Row[] = [];
  const consider = (contestant: Contestant, probe: readonly string[], missing: string): void => {
    const [command = ''] = contestant.argv;
    if (spawnSync(command, probe, { stdio: 'ignore' }).status === 0) found.push(contestant);
    else skipped.push({ kernel: contestant.name, skipped: `${missing} is not there` });
  };
  const argv = [deno, 'jupyter', '--kernel', '--conn', file];
  consider({ name: 'deno', argv, cells: typescript }, ['--version'], `the program ${deno}`);
  const ipykernel = [pythonPath, '-m', 'ipykernel_launcher', '-f', file];
  consider(
    { name: 'ipykernel', argv: ipykernel, cells: python },
    ['-c', 'import ipykernel'],
    `${pythonPath} with ipykernel`,
  );
  return { found, skipped };
}

/** Starts each kernel once a round, in turn, and keeps the last; the time is the fastest. */
async function startInTurn(all: readonly Contestant[], rounds: number): Promise<Started[]> {
  const fastest = new Map<string, number>();
  for (let round = 1; ; round++) {
    const started: Started[] = [];
    for (const contestant of all) {
      const { kernel, ms } = await start(contestant);
      const startMs = Math.min(ms, fastest.get(contestant.name) ?? ms);
      fastest.set(contestant.name, startMs);
      if (round < rounds) await kernel.stop();
      else started.push({ ...contestant, kernel, startMs, declarations: [], cells20: [] });
    }
    if (started.length > 0) return started;
  }
}

/** From the command to the end of the first cell. */
async function start({ argv }: Contestant): Promise<{ kernel: KernelClient; ms: number }> {
  const from = performance.now();
  const kernel = await KernelClient.start({ argv, cwd: tmpdir() });
  await kernel.execute('1');
  return { kernel, ms: performance.now() - from };
}

/** What ours measures as a share of tslab's in the same run: 1 or less is no slower and no larger. */
function shares(rows: readonly Row[]): Row[] {
  const [ours, tslab] = ['reward-forcing', 'tslab'].map((name) => rows.find(({ kernel }) => kernel === name));
  if (!ours || !tslab) return [];
  const share = (ofOurs: unknown, ofTslab: unknown): unknown =>
    typeof ofOurs === 'number' && typeof ofTslab === 'number' ? Math.round((100 * ofOurs) / ofTslab) / 100 : null;
  const entries = Object.keys(ours).map((column) => [column, share(ours[column], tslab[column])]);
  return [{ ...Object.fromEntries(entries), kernel: 'ours / tslab' }];
}

async function measureRest(one: Started): Promise<Row> {
  const { kernel, cells } = one;
  const busy = run(one, cells.busy);
  await new Promise((resolve) => setTimeout(resolve, 300));
  const completion = await timed(() =>
    kernel.request('shell', 'complete_request', { code: cells.member, cursor_pos: cells.member.length }),
  );
  await busy;
  const { lines, received } = await printLines(one);
  const before = residentMegabytes(kernel.process.pid);
  let most = before;
  for (let i = 0; i < MEMORY_CELLS; i++) {
    await run(one, cells.declaration(1000 + i));
    if (i % SAMPLE_EVERY === 0) most = Math.max(most, residentMegabytes(kernel.process.pid));
  }
  return {
    kernel: one.name,
    'start to first cell ms': Math.round(one.startMs),
    'declaration ms': round(median(one.declarations)),
    '20 lines ms': round(median(one.cells20)),
    'completion while busy ms': round(completion),
    '10,000 lines ms': lines,
    'lines received in order': received,
    'resident MB': before,
    'growth over 200 cells MB': most - before,
  };
}

/** Runs a cell and returns its standard output. */
async function run({ kernel, name }: Started, code: string): Promise<string> {
  const { reply, published } = await kernel.execute(code).catch((error: unknown) => {
    throw new Error(`${name} gave no answer to: ${code}`, { cause: error });
  });
  if (reply['status'] !== 'ok') throw new Error(`${name} failed on ${code}: ${JSON.stringify(reply)}`);
  const streams = published.filter(
    ({ header, content }) => header.msg_type === 'stream' && content['name'] === 'stdout',
  );
  return streams.map(({ content }) => content['text']).join('');
}

/** Time until all lines are there, null when some never come (tslab's socket drops what it cannot send at once). */
async function printLines({ kernel, cells }: Started): Promise<{ lines: number | null; received: number }> {
  let output = '';
  const stop = kernel.listen(({ header, content }) => {
    if (header.msg_type === 'stream') output += content['text'];
  });
  const from = performance.now();
  await kernel.execute(cells.lines, {}, LINES_LIMIT_MS).catch(() => {});
  const elapsed = Math.round(performance.now() - from);
  stop();
  const received = output.split('\n').filter((line, i) => line === String(i)).length;
  return { lines: received === LINES ? elapsed : null, received };
}

async function timed(work: () => Promise<unknown>): Promise<number> {
  const from = performance.now();
  await work();
  return performance.now() - from;
}

function residentMegabytes(pid: number | undefined): number {
  return Math.round(Number(execFileSync('ps', ['-o', 'rss=', '-p', String(pid)]).toString()) / 1024);
}

function median(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[values.length >> 1] ?? Number.NaN;
}

function round(value: number): number {
  return Math.round(value * 10) / 10;
}
