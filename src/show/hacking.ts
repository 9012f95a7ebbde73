import { type Diagnosis, diagnose, type HackingSignals } from '../evaluate/index.ts';
import { curve } from './curve.ts';
import type { Figure } from './figure.ts';
import { type Report, type ReportSection, report } from './report.ts';
import { table } from './table.ts';

export interface HackingCheckpoint {
  readonly step: number;
  readonly signals: HackingSignals;
}

export interface HackingOptions {
  /** @defaultValue 'Reward hacking' */
  title?: string;
  /** Further figures, for instance last frames before and now. */
  figures?: readonly Figure[];
}

/** What each signal is, in the words of the page. */
const labels: Readonly<Record<keyof HackingSignals, string>> = {
  reward: 'training reward',
  heldOut: 'held-out reward',
  highFrequency: 'fine texture, share of spectral power',
  saturated: 'saturated values, share',
  chroma: 'colourfulness',
  robustnessGap: 'cost of slight changes',
  promptMargin: 'own prompt minus others',
  lastMinusOthers: 'last frame minus the others',
  gradientNorm: 'norm of the gradient on the frame',
  dynamicDegree: 'moving clips, share',
};

const signalNames = Object.keys(labels) as (keyof HackingSignals)[];

/**
 * The signs of reward hacking on one page: what raised an alarm and what to do, the training reward against the held-out
 * one, and each signal over the checkpoints. The first checkpoint is the baseline, from before the reward training.
 *
 * @param checkpoints - two or more, in the order of their steps, from `evaluate.hackingSignals` on the same prompts
 * @throws RangeError with fewer than two.
 * @example await show.hacking([{ step: 0, signals: before }, { step: 100, signals: after }]).save('hacking.html')
 */
export function hacking(checkpoints: readonly HackingCheckpoint[], options: HackingOptions = {}): Report {
  const [first, last] = [checkpoints[0], checkpoints.at(-1)];
  if (!first || !last || checkpoints.length < 2) {
    throw new RangeError(`checkpoints: wanted two or more, the baseline first, received ${checkpoints.length}`);
  }
  const found = diagnosed(checkpoints, first, last);
  const alarms = found.filter(({ state }) => state === 'alarm');
  const { title = 'Reward hacking', figures = [] } = options;
  const sections: ReportSection[] = [
    { title: 'What was looked for', figures: [diagnosisTable(found)] },
    { title: 'Rewards', figures: [lines(checkpoints, ['reward', 'heldOut'])] },
    { title: 'Signals', figures: signalNames.slice(2).flatMap((name) => known(checkpoints, name)) },
    { title: 'Numbers', figures: [numbers(first, last)] },
  ];
  if (figures.length > 0) sections.push({ title: 'Pictures', figures });
  const what = alarms.map(({ symptom }) => symptom).join(', ');
  const summary = `Steps ${first.step} to ${last.step}. ${alarms.length > 0 ? `Alarms: ${what}.` : 'No alarm.'}`;
  return report({ title, summary, sections });
}

/** What the newest signals say against the baseline; what needs other evidence is left out. */
function diagnosed(
  checkpoints: readonly HackingCheckpoint[],
  first: HackingCheckpoint,
  last: HackingCheckpoint,
): Diagnosis[] {
  const all = checkpoints.map(({ signals }) => signals);
  const heldOut = all.flatMap((signals) => signals.heldOut ?? []);
  const independent = heldOut.length === all.length ? { 'held-out': heldOut } : {};
  const rewards = { trained: all.map(({ reward }) => reward), independent };
  const found = diagnose({ hacking: last.signals, rewards }, { hacking: first.signals });
  return found.filter(({ state }) => state !== 'not measured');
}

function diagnosisTable(found: readonly Diagnosis[]): Figure {
  const advised = ({ state, advice }: Diagnosis): string | null => (state === 'alarm' ? advice : null);
  const rows = found.map((each) => ({ ...each, advice: advised(each) }));
  return table(rows, { columns: ['symptom', 'state', 'reason', 'advice'] });
}

/** A curve of one signal, none where it was not measured. */
function known(checkpoints: readonly HackingCheckpoint[], name: keyof HackingSignals): Figure[] {
  return checkpoints.some(({ signals }) => signals[name] !== null) ? [lines(checkpoints, [name])] : [];
}

function lines(checkpoints: readonly HackingCheckpoint[], names: readonly (keyof HackingSignals)[]): Figure {
  const series = names.flatMap((name) => {
    const points = checkpoints.filter(({ signals }) => signals[name] !== null);
    const line = { x: points.map(({ step }) => step), y: points.map(({ signals }) => signals[name]!) };
    return points.length > 0 ? [[labels[name], line] as const] : [];
  });
  const look = names.length === 1 ? { title: labels[names[0]!], height: 220 } : { title: 'rewards', height: 320 };
  return curve(Object.fromEntries(series), { ...look, xLabel: 'step', width: 640 });
}

function numbers({ signals: before }: HackingCheckpoint, { signals: now }: HackingCheckpoint): Figure {
  return table(signalNames.map((name) => ({ signal: labels[name], baseline: before[name], now: now[name] })));
}
