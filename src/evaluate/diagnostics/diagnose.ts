/** The known failures of reward-driven training: each a number with a limit, and what it means. */
import { mean } from '../statistics.ts';
import type { RewardHistory, RunEvidence } from './evidence.ts';
import type { Style } from './pictures.ts';
import type { HackingSignals } from './reward-signals.ts';

/** One known way to fail, and whether this run shows it. */
export interface Diagnosis {
  readonly symptom: string;
  /** What was compared, in words. */
  readonly measure: string;
  /** The number, and the one it is compared with; null where it was not measured. */
  readonly value: number | null;
  readonly limit: number | null;
  /** `alarm`, `fine`, `note` for what is worth knowing but expected, `not measured` where evidence is absent. */
  readonly state: 'alarm' | 'note' | 'fine' | 'not measured';
  /** Why, with the numbers. */
  readonly reason: string;
  /** What to do about an alarm. */
  readonly advice: string;
}

interface Check extends Pick<Diagnosis, 'symptom' | 'measure' | 'advice'> {
  limit: number | ((run: RunEvidence, baseline: RunEvidence) => number | null | undefined);
  value(run: RunEvidence, baseline: RunEvidence): number | null | undefined;
  /** Whether a value above or below the limit is bad. @defaultValue 'above' */
  bad?: 'above' | 'below';
  /** What a bad value means. @defaultValue 'alarm' */
  severity?: 'alarm' | 'note';
  /** The evidence that it needs. */
  wanting: string;
  /** @defaultValue three digits */
  unit?: (value: number) => string;
}

/**
 * Looks for the known failures of reward-driven autoregressive training: a static video, flicker and broken motion, seams
 * between blocks, a last frame that improves alone, reward hacking and its traces (fine texture, loud colours, a score that
 * small changes undo, a prompt that hardly matters), style drift, collapse of diversity, unstable updates,
 * drift over blocks, and a saturated decoder. Alarms come first.
 *
 * @param run - what is known of the run now
 * @param baseline - the same of the run before reward training (phase 1), on the same prompts and seeds
 */
export function diagnose(run: RunEvidence, baseline: RunEvidence = {}): Diagnosis[] {
  const rank = { alarm: 0, note: 1, fine: 2, 'not measured': 3 };
  return checks.map((check) => judged(check, run, baseline)).sort((a, b) => rank[a.state] - rank[b.state]);
}

/**
 * What went wrong since the baseline (the checkpoint before reward training), as sentences: the alarms of `diagnose` on
 * these signals alone; empty when nothing did. Rewards are expected at unit scale, as every reward of this library is.
 */
export function hackingAlarms(now: HackingSignals, baseline: HackingSignals): string[] {
  const alarms = diagnose({ hacking: now }, { hacking: baseline }).filter(({ state }) => state === 'alarm');
  return alarms.map(({ symptom, reason }) => `${symptom} (${reason})`);
}

function judged(check: Check, run: RunEvidence, baseline: RunEvidence): Diagnosis {
  const { symptom, measure, advice, wanting, bad = 'above', severity = 'alarm', unit = plain } = check;
  const value = check.value(run, baseline) ?? null;
  const limit = (typeof check.limit === 'number' ? check.limit : check.limit(run, baseline)) ?? null;
  const told = { symptom, measure, value, limit, advice };
  if (value === null || limit === null || !Number.isFinite(value) || !Number.isFinite(limit)) {
    return { ...told, state: 'not measured', reason: `needs ${wanting}` };
  }
  const isBad = bad === 'above' ? value > limit : value < limit;
  const relation = value > limit ? 'above' : value < limit ? 'below' : 'at';
  const reason = `${measure}: ${unit(value)}, ${relation} the limit of ${unit(limit)}`;
  return { ...told, state: isBad ? severity : 'fine', reason };
}

function plain(value: number): string {
  return value.toPrecision(3);
}

function percent(value: number): string {
  return `${(100 * value).toFixed(1)} %`;
}

const bothClips = 'clips of this run and of the baseline';
const bothSignals = 'hackingSignals of this run and of the baseline';
const ENDS = 5;
const EVALUATIONS = 3;
/** Shares below this are nothing. */
const LEAST_SHARE = 1e-4;

const checks: readonly Check[] = [
  {
    symptom: 'static video',
    measure: 'fall of the share of moving clips',
    value: (run, baseline) => difference(moving(baseline), moving(run)),
    limit: 0.03,
    wanting: bothClips,
    unit: percent,
    advice: 'supervise the last frame only, or make fewer updates',
  },
  {
    symptom: 'flicker or broken motion',
    measure: 'fall of 1 - mean change between frames',
    value: ({ clips }, { clips: before }) => difference(before?.flicker, clips?.flicker),
    limit: 0.01,
    wanting: bothClips,
    unit: percent,
    advice: 'more trajectories or a longer phase 1; check that noise levels and timesteps belong together',
  },
  {
    symptom: 'seams between blocks',
    measure: 'change at block borders over change inside blocks',
    value: ({ clips }) => clips?.seamRatio,
    limit: 1.5,
    wanting: 'clips and the borders of their blocks',
    advice: 'check the context pass and the positions of cached blocks; more trajectories',
  },
  {
    symptom: 'only the last frame improves',
    measure: 'reward of the last frame minus the mean of the others, beyond that of the baseline',
    value: (run, baseline) => difference(ahead(run), ahead(baseline) ?? 0),
    limit: 0.5,
    wanting: 'the reward of every frame',
    advice: 'supervise some random frames too, and more exit steps',
  },
  {
    symptom: 'reward hacking',
    measure: 'evaluations in a row in which the trained reward rose and every independent one fell',
    value: (run, baseline) => hackedFor(historyOf(run, baseline)),
    limit: (run, baseline) => {
      const history = historyOf(run, baseline);
      return history && Math.min(EVALUATIONS, history.trained.length - 1) - 1;
    },
    wanting: 'the trained reward and an independent one at two checkpoints or more',
    unit: String,
    advice: 'stop; take an earlier averaged checkpoint',
  },
  {
    symptom: 'fine texture',
    measure: 'spectral power of fine patterns in last frames over that of the baseline',
    value: ({ hacking }, { hacking: before }) => growth(hacking?.highFrequency, before?.highFrequency),
    limit: 2,
    wanting: bothSignals,
    advice: 'the reward likes patterns that no eye sees: lower its weight, or add a reward that does not',
  },
  {
    symptom: 'loud colours',
    measure: 'colourfulness of last frames over that of the baseline',
    value: ({ hacking }, { hacking: before }) => growth(hacking?.chroma, before?.chroma),
    limit: 3,
    wanting: bothSignals,
    advice: 'lower the weight of the reward; stay nearer to the reference model',
  },
  {
    symptom: 'a score that small changes undo',
    measure: 'deviations of reward that a shift of 2 px, a slight blur or faint noise cost',
    value: ({ hacking }) => hacking?.robustnessGap,
    limit: 1,
    wanting: 'hackingSignals of this run',
    advice: 'train on slightly changed frames, or on several rewards',
  },
  {
    symptom: 'a prompt that hardly matters',
    measure: 'reward under the own prompt beyond that under others, over what it was in the baseline',
    value: ({ hacking }, { hacking: before }) => {
      return hacking && before && before.promptMargin > 0 ? hacking.promptMargin / before.promptMargin : null;
    },
    limit: 0.1,
    bad: 'below',
    wanting: bothSignals,
    advice: 'add a reward that reads the prompt',
  },
  {
    symptom: 'style drift',
    measure: 'largest change of brightness, contrast, saturation or sharpness, in deviations of the baseline',
    value: ({ clips }, { clips: before }) => clips && before && styleDistance(clips.style, before.style),
    limit: 2,
    severity: 'note',
    wanting: bothClips,
    advice: 'expected with a reward that likes another style; look at the clips',
  },
  {
    symptom: 'collapse of diversity',
    measure: 'distance between clips of one prompt over that of the baseline',
    value: ({ clips }, { clips: before }) => ratio(clips?.diversity, before?.diversity),
    limit: 0.7,
    bad: 'below',
    wanting: 'several clips of one prompt, of this run and of the baseline',
    advice: 'stop, or go on with a lower learning rate',
  },
  {
    symptom: 'unstable updates',
    measure: 'share of late updates whose gradients were clipped',
    value: ({ log }) => log?.clippedShare,
    limit: 0.2,
    wanting: 'the log of the run',
    unit: percent,
    advice: 'lower the learning rate; check that long sums are made in float32',
  },
  {
    symptom: 'numbers that are not finite',
    measure: 'steps with a loss or gradient that is no number',
    value: ({ log }) => log?.notFinite,
    limit: 0,
    wanting: 'the log of the run',
    unit: String,
    advice: 'go back to the checkpoint before; look for a division by a vanishing norm',
  },
  {
    symptom: 'weights run away from their average',
    measure: 'distance to the averaged weights over what it was at first',
    value: ({ averageGap: gaps }) => (gaps && gaps.length > 1 ? gaps.at(-1)! / Math.max(gaps[0]!, 1e-12) : null),
    limit: 2,
    wanting: 'the distance at two checkpoints or more',
    advice: 'lower the learning rate',
  },
  {
    symptom: 'drift over blocks',
    measure: `quality of the last ${ENDS} frames relative to the first ${ENDS}`,
    value: ({ quality = [] }) => {
      const [first, last] = [mean(quality.slice(0, ENDS)), mean(quality.slice(-ENDS))];
      return quality.length >= 2 * ENDS && first !== 0 ? last / first - 1 : null;
    },
    limit: -0.05,
    bad: 'below',
    wanting: `a score of looks for each of ${2 * ENDS} frames or more`,
    unit: percent,
    advice: 'check the pass that writes clean context into the cache',
  },
  {
    symptom: 'saturated decoder',
    measure: 'share of values at the bounds of 8 bits beyond that of the baseline',
    value: (run, baseline) => {
      const [now, before] = run.clips ? [run.clips, baseline.clips] : [run.hacking, baseline.hacking];
      return difference(now?.saturated, before?.saturated ?? 0);
    },
    limit: 0.05,
    wanting: 'clips of this run',
    unit: percent,
    advice: 'the gradient dies where the decoder is clamped: lower the weight of the reward',
  },
];

type Known = number | null | undefined;

function difference(a: Known, b: Known): number | null {
  return typeof a === 'number' && typeof b === 'number' ? a - b : null;
}

function ratio(a: Known, b: Known): number | null {
  return typeof a === 'number' && typeof b === 'number' && b !== 0 ? a / b : null;
}

function growth(now: Known, before: Known): number | null {
  return typeof before === 'number' ? ratio(now, Math.max(before, LEAST_SHARE)) : null;
}

function moving({ clips, hacking }: RunEvidence): number | undefined {
  return clips?.movingShare ?? hacking?.dynamicDegree;
}

function ahead({ rewardCurve, hacking }: RunEvidence): number | undefined {
  return (rewardCurve ?? hacking)?.lastMinusOthers;
}

/** The rewards told; else the baseline and now as two checkpoints, null without a held-out reward of both. */
function historyOf({ rewards, hacking: now }: RunEvidence, { hacking: before }: RunEvidence): RewardHistory | null {
  if (rewards) return rewards;
  if (!now || !before || now.heldOut === null || before.heldOut === null) return null;
  return { trained: [before.reward, now.reward], independent: { 'held-out': [before.heldOut, now.heldOut] } };
}

/** How many of the newest evaluations in a row show it; null without an independent reward. */
function hackedFor(history: RewardHistory | null): number | null {
  const { trained, independent } = history ?? { trained: [], independent: {} };
  const others = Object.values(independent);
  if (others.length === 0 || trained.length < 2) return null;
  let count = 0;
  for (let i = trained.length - 1; i > 0; i--) {
    const fell = others.every((values) => values[i]! < values[i - 1]!);
    if (!(trained[i]! > trained[i - 1]! && fell)) break;
    count++;
  }
  return count;
}

function styleDistance(now: Style, before: Style): number {
  const keys = Object.keys(now) as (keyof Style)[];
  return Math.max(...keys.map((key) => Math.abs(now[key].mean - before[key].mean) / Math.max(before[key].std, 1e-6)));
}
