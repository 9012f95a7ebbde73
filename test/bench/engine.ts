/**
 * The onnx engine against PyTorch eager, torch.compile, TensorFlow.js on wasm and on libtensorflow: operations and whole
 * steps of the product (cases.ts). Each case starts every side in a process of its own, checks that all have the same
 * number of weights, and lets them take turns; the best step of each counts. PyTorch is run by the Python that
 * REWARD_FORCING_PYTHON names; a side that cannot be started or lacks a kernel is left out, with the reason. A kernel of
 * ours that fell back to the reference engine fails the benchmark.
 */
import type { EngineReport } from '../../src/engine/index.ts';
import { type Case, casesOf } from './cases.ts';
import type { BenchOptions } from './main.ts';
import { ownFile, type Peer, startProgram } from './peer.ts';
import { measureRecording } from './recording.ts';
import { rounded, type Steps, type Times, type Timing, takeTurns } from './turns.ts';

/** What was measured of a side: its times, its first step, and the most memory it held. */
type Measured = Timing & { firstMs: number; peakMiB: number | null };

interface Side {
  readonly name: string;
  readonly peer: Peer;
  readonly firstMs: number;
  readonly parameters: number;
  readonly version: string;
}

const sideNames = ['onnx', 'torch', 'torch.compile', 'wasm', 'tensorflow'] as const;

function startSide(name: string): Peer {
  if (!name.startsWith('torch')) return startProgram(process.execPath, ['--import', 'tsx', ownFile('side.ts'), name]);
  const python = process.env['REWARD_FORCING_PYTHON'];
  if (!python) throw new Error('REWARD_FORCING_PYTHON is not set');
  return startProgram(python, [ownFile('peers/torch_peer.py')]);
}

/** Measures all cases; see the head of this file. */
export async function benchEngine(options: BenchOptions): Promise<Record<string, unknown>[]> {
  const rows: Record<string, unknown>[] = options.only === undefined ? [await measureRecording()] : [];
  for (const given of casesOf(options)) {
    const row = await measure(given, options);
    process.stderr.write(`${summaryOf(row)}\n`);
    rows.push(row);
  }
  return rows;
}

async function measure(given: Case, options: BenchOptions): Promise<Record<string, unknown>> {
  const wanted = options.sides ? sideNames.filter((name) => options.sides?.includes(name)) : sideNames;
  const sides: Side[] = [];
  const missing: Record<string, string> = {};
  for (const name of wanted) {
    try {
      sides.push(await prepare(name, given, options.threads));
    } catch (error) {
      missing[name] = (error as Error).message;
    }
  }
  try {
    checkParameters(sides);
    const steps = sides.map(
      ({ peer }): Steps =>
        async (count) =>
          (await peer.ask({ steps: count })) as Times,
    );
    const timings = await takeTurns(steps, options.rounds);
    const ours = sides.find(({ name }) => name === 'onnx');
    const report = ours && ((await ours.peer.ask({ report: true })) as EngineReport);
    if (report) checkFallbacks(report);
    const measured = sides.map(({ name, firstMs, peer }, i): [string, Measured] => [
      name,
      { ...timings[i]!, firstMs: rounded(firstMs), peakMiB: peer.peakMiB() },
    ]);
    const work = report ? { compiles: report.compiles, compileMs: Math.round(report.compileMs) } : {};
    const versions = Object.fromEntries(sides.map(({ name, version }) => [name, version]));
    return { name: given.name, kind: given.kind, sides: Object.fromEntries(measured), versions, missing, ...work };
  } finally {
    for (const { peer } of sides) peer.stop();
  }
}

/** A side that has made its first step. */
async function prepare(name: string, given: Case, threads: number): Promise<Side> {
  const peer = startSide(name);
  try {
    const made = await peer.ask({ setup: given, threads, compile: name === 'torch.compile' });
    const first = (await peer.ask({ steps: 1 })) as Times;
    return { name, peer, ...(made as Pick<Side, 'parameters' | 'version'>), firstMs: first.ms[0]! };
  } catch (error) {
    peer.stop();
    throw error;
  }
}

function checkParameters(sides: readonly Side[]): void {
  const [first, ...rest] = sides;
  for (const { name, parameters } of rest) {
    if (parameters === first!.parameters) continue;
    throw new Error(`${name} has ${parameters} weights, ${first!.name} ${first!.parameters}: not the same network`);
  }
}

function checkFallbacks({ fallbacks }: EngineReport): void {
  const names = Object.keys(fallbacks);
  if (names.length > 0) throw new Error(`kernels fell back inside the step: ${names.join(', ')}`);
}

function summaryOf(row: Record<string, unknown>): string {
  const sides = Object.entries(row['sides'] as Record<string, Measured>);
  return `${row['name']}: ${sides.map(([name, { bestMs, peakMiB }]) => `${name} ${bestMs} ms, ${peakMiB} MiB`).join('; ')}`;
}
