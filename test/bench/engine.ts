/**
 * The onnx engine against PyTorch eager, torch.compile, TensorFlow.js on wasm and on libtensorflow: operations and whole
 * steps of the product (cases.ts). Each case starts every side in a process of its own, checks that all have the same
 * number of weights, and lets them take turns; the best step of each counts. First steps (torch.compile compiles in
 * it) are told apart as `firstMs`. PyTorch is run by the Python that REWARD_FORCING_PYTHON names; torch.compile needs a
 * C++ compiler. A side that cannot be started, lacks a kernel, is another network or takes more than two minutes for its
 * first step is left out of the case, with the reason under `missing`, and so are we if a kernel fell back.
 */
import type { EngineReport } from '../../src/engine/index.ts';
import { type Case, casesOf } from './cases.ts';
import type { BenchOptions } from './main.ts';
import { ownFile, type Peer, startProgram } from './peer.ts';
import { measureRecording } from './recording.ts';
import { rounded, type Steps, type Times, type Timing, takeTurns } from './turns.ts';

/** What was measured of a side: its times, its first step, and the most memory it held. */
type Measured = Timing & { firstMs: number; peakMiB: number | null };

/** A side that was set up. */
interface Started {
  readonly name: string;
  readonly peer: Peer;
  readonly parameters: number;
  readonly version: string;
}

/** A side that has made its first step. */
type Side = Started & { readonly firstMs: number };

/** A first step that takes longer leaves its side out. */
const firstLimitMs = 120_000;

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
  const missing: Record<string, string> = {};
  const started = await startSides(given, options, missing);
  try {
    const sides: Side[] = [];
    for (const side of started) {
      const first = await stepsOf(side, missing)(1);
      sides.push({ ...side, firstMs: rounded(first.ms[0]!) });
    }
    leaveOutOthers(sides, missing);
    const running = sides.filter(({ name }) => !(name in missing));
    const timings = await takeTurns(
      running.map((side) => stepsOf(side, missing)),
      options.rounds,
    );
    const work = await workOf(running, missing);
    const measured = running.map(({ name, firstMs, peer }, i): [string, Measured] => [
      name,
      { ...timings[i]!, firstMs, peakMiB: peer.peakMiB() },
    ]);
    const kept = measured.filter(([name]) => !(name in missing));
    const versions = Object.fromEntries(running.map(({ name, version }) => [name, version]));
    return { name: given.name, kind: given.kind, sides: Object.fromEntries(kept), versions, missing, ...work };
  } finally {
    for (const { peer } of started) peer.stop();
  }
}

/** The sides that could be set up, loaded side by side; the others are told in `missing`. */
async function startSides(given: Case, options: BenchOptions, missing: Record<string, string>): Promise<Started[]> {
  const wanted = options.sides ? sideNames.filter((name) => options.sides?.includes(name)) : sideNames;
  const outcomes = await Promise.allSettled(wanted.map((name) => setUp(name, given, options.threads)));
  return outcomes.flatMap((outcome, i) => {
    if (outcome.status === 'fulfilled') return [outcome.value];
    missing[wanted[i]!] = (outcome.reason as Error).message;
    return [];
  });
}

async function setUp(name: string, given: Case, threads: number): Promise<Started> {
  const peer = startSide(name);
  try {
    const message = { setup: given, threads, compile: name === 'torch.compile' };
    const made = await peer.ask(message, firstLimitMs);
    return { name, peer, ...(made as Pick<Side, 'parameters' | 'version'>) };
  } catch (error) {
    peer.stop();
    throw error;
  }
}

/** Steps of a side. Where one fails, the reason is told in `missing`, and it and all later ones take for ever. */
function stepsOf({ name, peer }: Started, missing: Record<string, string>): Steps {
  return async (count) => {
    try {
      if (!(name in missing)) return (await peer.ask({ steps: count }, firstLimitMs)) as Times;
    } catch (error) {
      missing[name] = (error as Error).message;
    }
    return { ms: [Number.POSITIVE_INFINITY], cpuMs: [Number.POSITIVE_INFINITY] };
  };
}

function leaveOutOthers([first, ...rest]: readonly Side[], missing: Record<string, string>): void {
  for (const { name, parameters } of rest) {
    if (parameters === first!.parameters) continue;
    missing[name] ??= `${parameters} weights, but ${first!.name} has ${first!.parameters}: not the same network`;
  }
}

/** How often and how long we compiled; a kernel that fell back leaves us out. */
async function workOf(sides: readonly Side[], missing: Record<string, string>): Promise<Record<string, number>> {
  const ours = sides.find(({ name }) => name === 'onnx' && !(name in missing));
  if (!ours) return {};
  const { graphs, fallbacks } = (await ours.peer.ask({ report: true })) as EngineReport;
  const names = Object.keys(fallbacks);
  if (names.length > 0) missing['onnx'] = `kernels fell back inside the step: ${names.join(', ')}`;
  return graphs ? { compiles: graphs.compiles, compileMs: Math.round(graphs.compileMs) } : {};
}

function summaryOf(row: Record<string, unknown>): string {
  const sides = Object.entries(row['sides'] as Record<string, Measured>);
  const gaps = Object.entries(row['missing'] as Record<string, string>);
  const times = sides.map(([name, { bestMs, peakMiB }]) => `${name} ${bestMs} ms, ${peakMiB} MiB`);
  return `${row['name']}: ${[...times, ...gaps.map(([name, why]) => `${name} left out: ${why}`)].join('; ')}`;
}
