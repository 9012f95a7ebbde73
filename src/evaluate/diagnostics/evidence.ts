/** What is known of a run when its failures are looked for: numbers from clips, rewards and the training log. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type Clip, clipFrame } from '../../io/index.ts';
import { clipFlow, type FlowEstimator, lucasKanade } from '../flow/lucas-kanade.ts';
import { diversity, seamRatio } from '../motion/report.ts';
import { warpingErrorAlong } from '../motion/warping.ts';
import { grouped, mean } from '../statistics.ts';
import { clipDynamicDegree, flicker, flowDynamicDegree, sampledFrames } from '../vbench/rules.ts';
import { type Style, saturatedShare, styleOf } from './pictures.ts';
import type { HackingSignals, RewardCurve } from './reward-signals.ts';

/** Numbers of clips of one checkpoint. */
export interface ClipEvidence {
  /** Share of moving clips, by VBench's rule. */
  readonly movingShare: number;
  /** Mean of VBench's temporal flickering, without its static filter. */
  readonly flicker: number;
  /** Mean warping error of the clips that have one; null if none has. */
  readonly warpingError: number | null;
  /** Mean change at block borders over change inside blocks; null without borders. */
  readonly seamRatio: number | null;
  /** Share of values at the bounds of 8 bits. */
  readonly saturated: number;
  /** Mean squared distance of clips of one prompt; null without two of one prompt. */
  readonly diversity: number | null;
  readonly style: Style;
}

/** Numbers of a training log, over its last tenth where they change. */
export interface LogEvidence {
  readonly steps: number;
  /** Lines with a loss or norm that is no finite number. */
  readonly notFinite: number;
  /** Share of updates whose gradients were clipped. */
  readonly clippedShare: number;
  /** Gradient norm over its median in the first half; 1 for a steady run. */
  readonly gradNormGrowth: number;
}

/** Reward of one checkpoint after the other on the same prompts, oldest first. */
export interface RewardHistory {
  /** The reward that is trained on. */
  readonly trained: readonly number[];
  /** Rewards that nothing is trained on, by name. */
  readonly independent: Readonly<Record<string, readonly number[]>>;
}

/** All that `diagnose` looks at; what is absent is reported as not measured. */
export interface RunEvidence {
  readonly clips?: ClipEvidence;
  readonly log?: LogEvidence;
  /** Of the training reward; with unit scale, as every reward of this library has. */
  readonly rewardCurve?: Pick<RewardCurve, 'mean' | 'lastMinusOthers'>;
  readonly rewards?: RewardHistory;
  /** Of the training reward; its share of moving clips and saturation serve where `clips` are absent. */
  readonly hacking?: HackingSignals;
  /** Imaging quality (or any score of looks) frame by frame, mean over clips. */
  readonly quality?: readonly number[];
  /** |weights - averaged weights| / |weights| at checkpoints, oldest first. */
  readonly averageGap?: readonly number[];
}

export interface ClipEvidenceOptions {
  /** First frame of each block but the first: 9, 21, 33, ... at full scale, 3, 6, ... for blocks of three frames. */
  readonly borders?: readonly number[];
  readonly estimate?: FlowEstimator;
}

/** Measures clips of one checkpoint, four frames or more each, with their prompts. */
export function clipEvidence(
  clips: readonly Clip[],
  prompts: readonly string[],
  { borders = [], estimate = lucasKanade }: ClipEvidenceOptions = {},
): ClipEvidence {
  if (clips.length === 0 || clips.length !== prompts.length) {
    throw new RangeError(
      `clipEvidence received ${clips.length} clips and ${prompts.length} prompts; wanted one prompt for each`,
    );
  }
  const samples = [...grouped(clips, (_, i) => prompts[i]).values()];
  const moves = clips.map((clip) => motionOf(clip, estimate));
  return {
    movingShare: mean(moves.map(({ moving }) => (moving ? 1 : 0))),
    flicker: mean(clips.map(flicker)),
    warpingError: meanOrNull(moves.map(({ error }) => error)),
    seamRatio: meanOrNull(clips.map((clip) => seamRatio(clip, borders))),
    saturated: mean(clips.map(saturatedShare)),
    diversity: meanOrNull(samples.map((group) => (group.length < 2 ? null : diversity(group)))),
    style: styleOf(clips.map((clip) => ({ data: clipFrame(clip, -1), height: clip.height, width: clip.width }))),
  };
}

/** Whether a clip moves and its warping error, from the same flows where all frames count. */
function motionOf(clip: Clip, estimate: FlowEstimator): { moving: boolean; error: number | null } {
  const flows = clipFlow(clip, estimate);
  const { error } = warpingErrorAlong(clip, flows, clipFlow(clip, estimate, 'backward'));
  const isWhole = sampledFrames(clip.frames, clip.fps).interval === 1;
  const { moving } = isWhole ? flowDynamicDegree(flows, clip) : clipDynamicDegree(clip, estimate);
  return { moving, error };
}

/**
 * Numbers of a run folder's `metrics.jsonl` (as `train.RunFolder` writes it).
 *
 * @throws Error if it is not there or holds no step.
 */
export async function logEvidence(folder: string): Promise<LogEvidence> {
  const text = await readFile(join(folder, 'metrics.jsonl'), 'utf8');
  const lines = text.split('\n').flatMap((line): LogLine[] => {
    try {
      return line === '' ? [] : [JSON.parse(line) as LogLine];
    } catch {
      return []; // cut off while it was written
    }
  });
  if (lines.length === 0) throw new Error(`${folder}: metrics.jsonl holds no step`);
  return evidenceOfLog(lines);
}

/** A line of the log; numbers that are not finite are stored as null. */
export interface LogLine {
  readonly step: number;
  readonly loss: number | null;
  readonly gradNorm: number | null;
  readonly clippedShare: number | null;
}

/** As {@link logEvidence}, from the lines. */
export function evidenceOfLog(lines: readonly LogLine[]): LogEvidence {
  const finite = lines.filter(({ loss, gradNorm }) => Number.isFinite(loss) && Number.isFinite(gradNorm));
  const recent = finite.slice(-Math.max(1, Math.ceil(finite.length / 10)));
  const early = finite.slice(0, Math.max(1, Math.ceil(finite.length / 2))).map(({ gradNorm }) => gradNorm!);
  const counts = { steps: lines.at(-1)!.step, notFinite: lines.length - finite.length };
  if (recent.length === 0) return { ...counts, clippedShare: 0, gradNormGrowth: 0 };
  const norm = mean(recent.map(({ gradNorm }) => gradNorm!));
  return {
    ...counts,
    clippedShare: mean(recent.map(({ clippedShare }) => clippedShare ?? 0)),
    gradNormGrowth: norm / (early.sort((a, b) => a - b)[early.length >> 1] || norm || 1),
  };
}

function meanOrNull(values: readonly (number | null)[]): number | null {
  const known = values.filter((value) => value !== null);
  return known.length === 0 ? null : mean(known);
}
