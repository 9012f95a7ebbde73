/** The results of `bench engine` as a Markdown table: times, ratios to each other side, memory. */
import type { Machine } from './machine.ts';
import type { Timing } from './turns.ts';

/** One side of a case. */
type Measured = Timing & { readonly firstMs: number; readonly peakMiB: number | null };

interface Row {
  readonly name: string;
  readonly kind: string;
  readonly sides?: Readonly<Record<string, Measured>>;
  readonly versions?: Readonly<Record<string, string>>;
  readonly compileMs?: number;
  readonly recordUs?: number;
  readonly withTfjsUs?: number;
}

/** What `bench engine --json` writes. */
export interface Results {
  readonly machine: Machine;
  readonly threads: number;
  readonly rounds: number;
  readonly rows: readonly Row[];
}

const others = ['torch', 'torch.compile', 'wasm', 'tensorflow'] as const;
const titles = { torch: 'PyTorch', 'torch.compile': 'torch.compile', wasm: 'tfjs-wasm', tensorflow: 'tfjs-node' };

/** Time of ours over time of the other: below 1 ours is faster. On one thread processor time, which others disturb less. */
function ratio(ours: Measured, other: Measured | undefined, threads: number): string {
  if (!other) return '-';
  const value = threads === 1 ? ours.cpuMs / other.cpuMs : ours.bestMs / other.bestMs;
  return value.toFixed(value < 0.1 ? 3 : 2);
}

function memory({ onnx, torch }: Partial<Record<string, Measured>>): string {
  if (!onnx?.peakMiB) return '-';
  const share = torch?.peakMiB ? ` (${(onnx.peakMiB / torch.peakMiB).toFixed(2)})` : '';
  return `${onnx.peakMiB} MiB${share}`;
}

function line({ name, sides = {}, compileMs }: Row, threads: number): string {
  const ours = sides['onnx'];
  if (!ours) return '';
  const ratios = others.map((other) => ratio(ours, sides[other], threads));
  const ms = threads === 1 ? ours.cpuMs : ours.bestMs;
  return `| ${[name, ms, ...ratios, memory(sides), compileMs ?? '-'].join(' | ')} |`;
}

/** The table with a line before it that says what it was measured on. */
export function tableOf({ machine, threads, rounds, rows }: Results): string {
  const { cpu, cores, memoryGiB, system, node, commit, date } = machine;
  const recording = rows.find(({ kind }) => kind === 'recording');
  const versions = Object.assign({}, ...rows.map((row) => row.versions ?? {})) as Record<string, string>;
  const programs = Object.entries(versions).map(([name, version]) => `${name} ${version}`);
  const timed = rows.filter(({ sides }) => sides?.['onnx']);
  const used = `${threads} thread${threads === 1 ? '' : 's'} of ${cpu} (${cores} cores, ${memoryGiB} GiB, ${system})`;
  const recorded =
    recording && `Recording costs ${recording.recordUs} us a node, ${recording.withTfjsUs} us with TensorFlow.js.`;
  const head = [
    '',
    'onnx, ms',
    ...others.map((other) => `/ ${titles[other]}`),
    'peak memory (/ PyTorch)',
    'compile, ms',
  ];
  return [
    `${used}, Node ${node}, ${programs.join(', ')}; commit ${commit}, ${date}; best of ${rounds} interleaved rounds. ` +
      'Times are of `onnx`, ratios of its time to the other side: below 1 it is faster.',
    ...(recorded ? [recorded] : []),
    '',
    `| ${head.join(' | ')} |`,
    `|${head.map((_, i) => (i === 0 ? ' --- ' : ' ---: ')).join('|')}|`,
    ...timed.map((row) => line(row, threads)),
  ].join('\n');
}
