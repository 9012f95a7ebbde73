import { mean } from '../statistics/index.ts';
import { checked, type Diagnosis, percent, rewardChecks } from './checks.ts';
import type { RunEvidence } from './evidence.ts';
import type { Style } from './pictures.ts';
import type { HackingSignals } from './reward-signals.ts';

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
  const found = [
    staticVideo(run, baseline),
    brokenMotion(run, baseline),
    seams(run),
    ...rewardChecks(run, baseline),
    styleDrift(run, baseline),
    diversityCollapse(run, baseline),
    clippedUpdates(run),
    notFinite(run),
    averageGap(run),
    blockDrift(run),
    saturatedDecoder(run, baseline),
  ];
  const rank = { alarm: 0, note: 1, fine: 2, 'not measured': 3 };
  return found.sort((a, b) => rank[a.state] - rank[b.state]);
}

const bothClips = 'clips of this run and of the baseline';

function staticVideo(run: RunEvidence, baseline: RunEvidence): Diagnosis {
  const moving = ({ clips, hacking }: RunEvidence) => clips?.movingShare ?? hacking?.dynamicDegree;
  const [now, before] = [moving(run), moving(baseline)];
  return checked({
    symptom: 'static video',
    measure: 'fall of the share of moving clips',
    value: now === undefined || before === undefined ? null : before - now,
    limit: 0.03,
    wanting: bothClips,
    unit: percent,
    advice: 'supervise the last frame only, or make fewer updates',
  });
}

function brokenMotion({ clips }: RunEvidence, { clips: before }: RunEvidence): Diagnosis {
  return checked({
    symptom: 'flicker or broken motion',
    measure: 'fall of 1 - mean change between frames',
    value: clips && before && before.flicker - clips.flicker,
    limit: 0.01,
    wanting: bothClips,
    unit: percent,
    advice: 'more trajectories or a longer phase 1; check that noise levels and timesteps belong together',
  });
}

function seams({ clips }: RunEvidence): Diagnosis {
  return checked({
    symptom: 'seams between blocks',
    measure: 'change at block borders over change inside blocks',
    value: clips?.seamRatio,
    limit: 1.5,
    wanting: 'clips and the borders of their blocks',
    advice: 'check the context pass and the positions of cached blocks; more trajectories',
  });
}

const DEVIATIONS = 2;

function styleDrift({ clips }: RunEvidence, { clips: before }: RunEvidence): Diagnosis {
  return checked({
    symptom: 'style drift',
    measure: `largest change of brightness, contrast, saturation or sharpness, in deviations of the baseline`,
    value: clips && before && styleDistance(clips.style, before.style),
    limit: DEVIATIONS,
    severity: 'note',
    wanting: bothClips,
    advice: 'expected with a reward that likes another style; look at the clips',
  });
}

function styleDistance(now: Style, before: Style): number {
  const keys = Object.keys(now) as (keyof Style)[];
  return Math.max(...keys.map((key) => Math.abs(now[key].mean - before[key].mean) / Math.max(before[key].std, 1e-6)));
}

function diversityCollapse({ clips }: RunEvidence, { clips: before }: RunEvidence): Diagnosis {
  const [now, then] = [clips?.diversity ?? null, before?.diversity ?? null];
  return checked({
    symptom: 'collapse of diversity',
    measure: 'distance between clips of one prompt over that of the baseline',
    value: now === null || then === null || then === 0 ? null : now / then,
    limit: 0.7,
    bad: 'below',
    wanting: 'several clips of one prompt, of this run and of the baseline',
    advice: 'stop, or go on with a lower learning rate',
  });
}

function clippedUpdates({ log }: RunEvidence): Diagnosis {
  return checked({
    symptom: 'unstable updates',
    measure: 'share of late updates whose gradients were clipped',
    value: log?.clippedShare,
    limit: 0.2,
    wanting: 'the log of the run',
    unit: percent,
    advice: 'lower the learning rate; check that long sums are made in float32',
  });
}

function notFinite({ log }: RunEvidence): Diagnosis {
  return checked({
    symptom: 'numbers that are not finite',
    measure: 'steps with a loss or gradient that is no number',
    value: log?.notFinite,
    limit: 0,
    wanting: 'the log of the run',
    unit: String,
    advice: 'go back to the checkpoint before; look for a division by a vanishing norm',
  });
}

function averageGap({ averageGap: gaps }: RunEvidence): Diagnosis {
  const growth = gaps && gaps.length > 1 ? gaps.at(-1)! / Math.max(gaps[0]!, 1e-12) : null;
  return checked({
    symptom: 'weights run away from their average',
    measure: 'distance to the averaged weights over what it was at first',
    value: growth,
    limit: 2,
    wanting: 'the distance at two checkpoints or more',
    advice: 'lower the learning rate',
  });
}

const ENDS = 5;

function blockDrift({ quality }: RunEvidence): Diagnosis {
  const enough = quality !== undefined && quality.length >= 2 * ENDS;
  const [first, last] = enough ? [mean(quality.slice(0, ENDS)), mean(quality.slice(-ENDS))] : [0, 0];
  return checked({
    symptom: 'drift over blocks',
    measure: `quality of the last ${ENDS} frames relative to the first ${ENDS}`,
    value: enough && first !== 0 ? last / first - 1 : null,
    limit: -0.05,
    bad: 'below',
    wanting: `a score of looks for each of ${2 * ENDS} frames or more`,
    unit: percent,
    advice: 'check the pass that writes clean context into the cache',
  });
}

function saturatedDecoder(run: RunEvidence, baseline: RunEvidence): Diagnosis {
  const [now, before] = run.clips ? [run.clips, baseline.clips] : [run.hacking, baseline.hacking];
  return checked({
    symptom: 'saturated decoder',
    measure: 'share of values at the bounds of 8 bits beyond that of the baseline',
    value: now && now.saturated - (before?.saturated ?? 0),
    limit: 0.05,
    wanting: 'clips of this run',
    unit: percent,
    advice: 'the gradient dies where the decoder is clamped: lower the weight of the reward',
  });
}

/**
 * What went wrong since the baseline (the checkpoint before reward training), as sentences: the alarms of `diagnose` on
 * these signals alone; empty when nothing did. Rewards are expected at unit scale, as every reward of this library is.
 */
export function hackingAlarms(now: HackingSignals, baseline: HackingSignals): string[] {
  const alarms = diagnose({ hacking: now }, { hacking: baseline }).filter(({ state }) => state === 'alarm');
  return alarms.map(({ symptom, reason }) => `${symptom} (${reason})`);
}
