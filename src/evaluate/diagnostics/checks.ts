/** How a number becomes a diagnosis, and the failures that rewards show. */
import type { RewardHistory, RunEvidence } from './evidence.ts';
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

/** A number with the limit that it is judged by. */
export interface Check {
  symptom: string;
  measure: string;
  advice: string;
  value: number | null | undefined;
  limit: number | null | undefined;
  /** Whether a value above or below the limit is bad. @defaultValue 'above' */
  bad?: 'above' | 'below';
  /** What a bad value means. @defaultValue 'alarm' */
  severity?: 'alarm' | 'note';
  wanting: string;
  unit?: (value: number) => string;
}

/** What a number means; without one, what would be needed. */
export function checked(check: Check): Diagnosis {
  const { symptom, measure, advice, wanting, bad = 'above', severity = 'alarm', unit = plain } = check;
  const { value = null, limit = null } = check;
  const known = value !== null && limit !== null && Number.isFinite(value) && Number.isFinite(limit);
  if (!known) {
    return { symptom, measure, value, limit, state: 'not measured', reason: `needs ${wanting}`, advice };
  }
  const isBad = bad === 'above' ? value > limit : value < limit;
  const relation = value > limit ? 'above' : value < limit ? 'below' : 'at';
  const reason = `${measure}: ${unit(value)}, ${relation} the limit of ${unit(limit)}`;
  return { symptom, measure, value, limit, state: isBad ? severity : 'fine', reason, advice };
}

/** Three digits. */
export function plain(value: number): string {
  return value.toPrecision(3);
}

/** A share in percent. */
export function percent(value: number): string {
  return `${(100 * value).toFixed(1)} %`;
}

/** All checks on rewards. */
export function rewardChecks(run: RunEvidence, baseline: RunEvidence): Diagnosis[] {
  return [
    lastFrameOnly(run, baseline),
    rewardHacking(run, baseline),
    fineTexture(run, baseline),
    loudColours(run, baseline),
    fragileScore(run),
    ignoredPrompt(run, baseline),
  ];
}

function lastFrameOnly(run: RunEvidence, baseline: RunEvidence): Diagnosis {
  const ahead = ({ rewardCurve, hacking }: RunEvidence) => (rewardCurve ?? hacking)?.lastMinusOthers;
  const now = ahead(run);
  return checked({
    symptom: 'only the last frame improves',
    measure: 'reward of the last frame minus the mean of the others, beyond that of the baseline',
    value: now === undefined ? null : now - (ahead(baseline) ?? 0),
    limit: 0.5,
    wanting: 'the reward of every frame',
    advice: 'supervise some random frames too, and more exit steps',
  });
}

const EVALUATIONS = 3;

function rewardHacking({ rewards, hacking }: RunEvidence, baseline: RunEvidence): Diagnosis {
  const history = rewards ?? sinceBaseline(hacking, baseline.hacking);
  return checked({
    symptom: 'reward hacking',
    measure: 'evaluations in a row in which the trained reward rose and every independent one fell',
    value: history && hackedFor(history),
    limit: history && Math.min(EVALUATIONS, history.trained.length - 1) - 1,
    wanting: 'the trained reward and an independent one at two checkpoints or more',
    unit: String,
    advice: 'stop; take an earlier averaged checkpoint',
  });
}

/** The baseline and now as two checkpoints; null without a held-out reward of both. */
function sinceBaseline(now: HackingSignals | undefined, before: HackingSignals | undefined): RewardHistory | null {
  if (!now || !before || now.heldOut === null || before.heldOut === null) return null;
  return { trained: [before.reward, now.reward], independent: { 'held-out': [before.heldOut, now.heldOut] } };
}

/** How many of the newest evaluations in a row show it; null without an independent reward. */
function hackedFor({ trained, independent }: RewardHistory): number | null {
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

/** What `value` says of the signals now, judged against those of the baseline. */
function sinceThen(
  { hacking: now }: RunEvidence,
  { hacking: before }: RunEvidence,
  value: (now: HackingSignals, before: HackingSignals) => number | null,
): Pick<Check, 'value' | 'wanting'> {
  const wanting = 'hackingSignals of this run and of the baseline';
  return { value: now && before ? value(now, before) : null, wanting };
}

/** Shares below this are nothing. */
const LEAST_SHARE = 1e-4;

function growth(now: number, before: number): number {
  return now / Math.max(before, LEAST_SHARE);
}

function fineTexture(run: RunEvidence, baseline: RunEvidence): Diagnosis {
  return checked({
    symptom: 'fine texture',
    measure: 'spectral power of fine patterns in last frames over that of the baseline',
    ...sinceThen(run, baseline, (now, before) => growth(now.highFrequency, before.highFrequency)),
    limit: 2,
    advice: 'the reward likes patterns that no eye sees: lower its weight, or add a reward that does not',
  });
}

function loudColours(run: RunEvidence, baseline: RunEvidence): Diagnosis {
  return checked({
    symptom: 'loud colours',
    measure: 'colourfulness of last frames over that of the baseline',
    ...sinceThen(run, baseline, (now, before) => growth(now.chroma, before.chroma)),
    limit: 3,
    advice: 'lower the weight of the reward; stay nearer to the reference model',
  });
}

function fragileScore({ hacking }: RunEvidence): Diagnosis {
  return checked({
    symptom: 'a score that small changes undo',
    measure: 'deviations of reward that a shift of 2 px, a slight blur or faint noise cost',
    value: hacking?.robustnessGap,
    limit: 1,
    wanting: 'hackingSignals of this run',
    advice: 'train on slightly changed frames, or on several rewards',
  });
}

function ignoredPrompt(run: RunEvidence, baseline: RunEvidence): Diagnosis {
  return checked({
    symptom: 'a prompt that hardly matters',
    measure: 'reward under the own prompt beyond that under others, over what it was in the baseline',
    ...sinceThen(run, baseline, ({ promptMargin: now }, { promptMargin: then }) => (then > 0 ? now / then : null)),
    limit: 0.1,
    bad: 'below',
    advice: 'add a reward that reads the prompt',
  });
}
