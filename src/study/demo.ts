/**
 * The demo: from the shipped weights, every part of the method once, in minutes. Samples the teacher, makes a few of its
 * trajectories, runs a short phase 1 and a short phase 2, and compares students before and after on fixed prompts.
 */
import { join } from 'node:path';
import { setImmediate } from 'node:timers/promises';
import { rewardCurve } from '../evaluate/index.ts';
import { writeAtomic } from '../io/index.ts';
import { random } from '../nn/index.ts';
import { type Contestant, compareOutcomes, evaluateContestant, evaluationPrompts, type Outcome } from './compare.ts';
import { probeCodec, writeClips } from './demo-clips.ts';
import { coarseToFine, realClips } from './gallery.ts';
import { measure, summarise } from './measure.ts';
import { loadNetworks, type Networks } from './networks.ts';
import { prepareFolder } from './output.ts';
import { readPublished } from './published.ts';
import { type DemoShow, demoPicture, demoReport } from './report.ts';
import { type DemoResults, engineUsed, measureVariants, toJson, weightsUsed } from './results.ts';
import { type Manifest, readManifest, verifyWeights } from './shipped.ts';
import { type ShortRun, shortPhase1, shortPhase2, shortTrajectories, type Trained } from './short-runs.ts';
import type { Progress, Work } from './workshop.ts';

/** How much the demo does. */
export interface DemoSize {
  prompts: number;
  seeds: number;
  trajectories: number;
  phase1: ShortRun;
  phase2: ShortRun;
  /** Prompts whose clips are shown and written. */
  shown: number;
}

/** Minutes on two cores. */
export const studyDemo: DemoSize = {
  prompts: 24,
  seeds: 2,
  trajectories: 48,
  phase1: { steps: 60, batch: 16 },
  phase2: { steps: 30, batch: 8 },
  shown: 6,
};

/** Seconds, with the weights of the smoke recipe: for tests. */
export const smokeDemo: DemoSize = {
  prompts: 2,
  seeds: 1,
  trajectories: 2,
  phase1: { steps: 2, batch: 2 },
  phase2: { steps: 2, batch: 2 },
  shown: 1,
};

/** Where the demo reads and writes. */
export interface DemoOptions {
  /** Folder of shipped weights with their manifest. */
  weights: string;
  /** Gets `report.html`, `result.png`, `results.json` and `clips/`. */
  out: string;
  /** Version of this package, for the record. */
  version: string;
  /** Default: `smokeDemo` for weights of the smoke recipe, else `studyDemo`. */
  size?: DemoSize;
  onProgress?: (progress: Progress) => void;
  /** Hears of announced fallbacks. */
  onNotice?: (notice: string) => void;
  signal?: AbortSignal;
}

/**
 * Runs the demo on the engine in use and writes its files, each whole or not at all, the results last.
 *
 * @throws Error before any work if the folder cannot be written to or the weights are not those of the manifest;
 * the abort reason if `signal` stops it.
 */
export async function runDemo(options: DemoOptions): Promise<DemoResults> {
  const { weights, out, signal } = options;
  await prepareFolder(join(out, 'clips'));
  const manifest = await readManifest(weights);
  verifyWeights(weights, manifest);
  const codec = await probeCodec(options.onNotice);
  const networks = await loadNetworks(weights, manifest.recipe);
  try {
    const show = await compute(options, { manifest, codec, networks });
    signal?.throwIfAborted();
    announce(options, 'clips');
    await writeClips(join(out, 'clips'), { clips: show.clips, prompts: show.results.prompts, codec, signal });
    announce(options, 'report');
    const page = await demoReport(show).toHtml();
    signal?.throwIfAborted();
    await demoPicture(show).save(join(out, 'result.png'));
    await writeAtomic(join(out, 'report.html'), page);
    await writeAtomic(join(out, 'results.json'), toJson(show.results));
    return show.results;
  } finally {
    networks.dispose();
  }
}

/** Says what begins, for work without steps to count. */
function announce({ onProgress }: DemoOptions, stage: string): void {
  onProgress?.({ stage, done: 0, total: 1, values: {} });
}

interface Prepared {
  manifest: Manifest;
  codec: DemoResults['codec'];
  networks: Networks;
}

async function compute(options: DemoOptions, prepared: Prepared): Promise<DemoShow> {
  const { manifest, networks } = prepared;
  const { size = sizeFor(manifest) } = options;
  const prompts = evaluationPrompts(size.prompts);
  const { seed } = manifest.recipe;
  announce(options, 'coarse to fine');
  const key = random.key(seed).stream('gallery');
  const trajectories = await coarseToFine(networks, networks.teacher, prompts.slice(0, 2), key);
  const short = await shortRuns(networks, size, options);
  const outcomes = await evaluateAll(networks, contestants(networks, short), { ...options, ...size, prompts });
  for (const { net } of Object.values(short)) net.weights.dispose();
  announce(options, 'real clips');
  const real = realClips(prompts, seed);
  const realMeasures = await measure([real], prompts, networks);
  announce(options, 'intervals');
  await setImmediate();
  const results: DemoResults = {
    format: 1,
    version: options.version,
    seed,
    engine: engineUsed(),
    weights: weightsUsed(manifest),
    codec: prepared.codec,
    prompts,
    seeds: size.seeds,
    measures: measureVariants(),
    outcomes: { 'real clips': summarise(realMeasures, seed), ...mapValues(outcomes, ({ summary }) => summary) },
    differences: differencesOf(outcomes, seed),
    rewardPerFrame: await rewardsPerFrame(networks, outcomes, prompts),
    curves: mapValues(short, ({ curves }) => curves),
  };
  const clips = mapValues(outcomes, ({ clips: [first] }) => first!.slice(0, size.shown));
  const published = await readPublished(options.weights);
  return { results, clips, real: real.slice(0, size.shown), trajectories, manifest, published };
}

function sizeFor({ recipe }: Manifest): DemoSize {
  return recipe.name === 'smoke' ? smokeDemo : studyDemo;
}

type ShortRuns = Readonly<Record<'short phase 1' | 'short phase 2', Trained>>;

async function shortRuns(
  networks: Networks,
  { trajectories, phase1, phase2 }: DemoSize,
  { onProgress, signal }: Pick<DemoOptions, 'onProgress' | 'signal'>,
): Promise<ShortRuns> {
  const stop = signal ? { signal } : {};
  const store = await heard(shortTrajectories(networks, trajectories, signal), onProgress);
  return {
    'short phase 1': await heard(shortPhase1(networks, store, { ...phase1, ...stop }), onProgress),
    'short phase 2': await heard(shortPhase2(networks, { ...phase2, ...stop }), onProgress),
  };
}

/** Runs work to its end, passing its progress on; returns its result. */
async function heard<Result>(work: Work<Result>, onProgress: DemoOptions['onProgress']): Promise<Result> {
  for (;;) {
    const { done, value } = await work.next();
    if (done) return value;
    onProgress?.(value);
  }
}

function contestants({ teacher, distilled, students }: Networks, short: ShortRuns): Contestant[] {
  return [
    { title: 'teacher', net: teacher, kind: 'teacher' },
    { title: 'before phase 1', net: distilled, kind: 'student' },
    { title: 'short phase 1', net: short['short phase 1'].net, kind: 'student' },
    { title: 'phase 1', net: students.ode, kind: 'student' },
    { title: 'short phase 2', net: short['short phase 2'].net, kind: 'student' },
    { title: 'phase 2', net: students['reward-forcing'], kind: 'student' },
  ];
}

type Outcomes = Readonly<Record<string, Outcome>>;

async function evaluateAll(
  networks: Networks,
  all: readonly Contestant[],
  { prompts, seeds, onProgress, signal }: DemoOptions & { prompts: readonly string[]; seeds: number },
): Promise<Outcomes> {
  const report = (stage: string, done: number, total: number): void => onProgress?.({ stage, done, total, values: {} });
  const compare = { prompts, seeds, onProgress: report, ...(signal && { signal }) };
  const outcomes: Record<string, Outcome> = {};
  for (const contestant of all) {
    outcomes[contestant.title] = await evaluateContestant(networks, contestant, compare);
  }
  return outcomes;
}

/** What is compared: first minus second. */
const PAIRS = [
  ['phase 1', 'teacher'],
  ['phase 2', 'phase 1'],
  ['short phase 1', 'before phase 1'],
  ['short phase 2', 'phase 1'],
] as const;

function differencesOf(outcomes: Outcomes, seed: number): DemoResults['differences'] {
  const entries = PAIRS.map(
    ([first, second]) => [`${first} - ${second}`, compareOutcomes(outcomes[first]!, outcomes[second]!, seed)] as const,
  );
  return Object.fromEntries(entries);
}

async function rewardsPerFrame(
  { reward }: Networks,
  outcomes: Outcomes,
  prompts: readonly string[],
): Promise<DemoResults['rewardPerFrame']> {
  const curves: Record<string, readonly number[]> = {};
  for (const title of ['teacher', 'phase 1', 'phase 2']) {
    const [clips] = outcomes[title]!.clips;
    curves[title] = (await rewardCurve(clips!, prompts, reward)).mean;
  }
  return curves;
}

function mapValues<Name extends string, From, To>(
  from: Readonly<Record<Name, From>>,
  map: (value: From) => To,
): Record<Name, To> {
  const entries = Object.entries<From>(from).map(([name, value]) => [name, map(value)]);
  return Object.fromEntries(entries) as Record<Name, To>;
}
