/** The demo's report: one self-contained page that explains the method and shows what it did. */

import type { Clip } from '../io/index.ts';
import * as show from '../show/index.ts';
import { type CoarseToFine, middleFlow } from './gallery.ts';
import type { Published } from './published.ts';
import { claimsTable, differenceTable, measureTable } from './report-tables.ts';
import type { DemoResults } from './results.ts';
import type { Manifest } from './shipped.ts';
import type { Curves } from './short-runs.ts';

const METHOD = `A diffusion teacher makes a whole clip at once, in many steps with guidance. Distribution matching distils
it to four steps without guidance. Two phases then make a student of it that paints block after block of frames, each
from what it painted before, as a video stream needs it.

Phase 1 is regression: the causal student learns where the teacher's paths from noise to clip lead. Phase 2 is reward:
the student generates from its own past, a frame reward looks at the last frame of the clip alone, and the weights
follow its gradient, through the decoder and the last block's final step. The paper reports that the last frame keeps
the motion where judging random or all frames costs some of it.

Here all of this happens at a size that trains on a laptop: real handwritten digits that move over 32 x 32 pixels, with
the transformer and autoencoder of the full scale, smaller.`;

/** Everything the report shows. */
export interface DemoShow {
  results: DemoResults;
  /** Clips of the shown prompts by title. */
  clips: Readonly<Record<string, readonly Clip[]>>;
  real: readonly Clip[];
  trajectories: readonly CoarseToFine[];
  manifest: Manifest;
  /** Results of the run that trained the shipped weights, if they came along. */
  published: Published;
}

/** The report of a demo. */
export function demoReport(given: DemoShow): show.Report {
  const { results, manifest } = given;
  return show.report({
    title: 'Reward forcing, at small scale',
    summary: summaryOf(given),
    sections: [
      { title: 'The method', text: METHOD },
      teacherSection(given),
      trajectorySection(given),
      studentSection(given),
      flowSection(given),
      trainingSection(given),
      tableSection(given),
      frameSection(given),
      ...publishedSections(given),
    ],
    provenance: {
      version: results.version,
      engine: `${results.engine.name}, ${results.engine.device}, ${results.engine.threads} threads, ${results.engine.precision}`,
      ...results.engine.versions,
      fallbacks: Object.keys(results.engine.fallbacks).join(', ') || 'none',
      seed: results.seed,
      prompts: `${results.prompts.length}, ${results.seeds} seeds each`,
      clips: results.codec === 'h264' ? 'H.264 in MP4' : 'animated WebP (no ffmpeg with H.264 was found)',
      weights: `recipe ${results.weights.recipe}, seed ${manifest.seed}, commit ${manifest.commit}, ${manifest.engine}`,
      'made by': manifest.command,
      ...Object.fromEntries(
        Object.entries(results.weights.sha256).map(([name, sum]) => [`sha256 of ${name}`, sum.slice(0, 16)]),
      ),
    },
  });
}

/** The result in one picture: the same prompts and noise through teacher, phase 1 and phase 2. */
export function demoPicture({ clips, results }: Pick<DemoShow, 'clips' | 'results'>): show.Figure {
  const titles = ['teacher', 'phase 1', 'phase 2'];
  const count = Math.min(2, clips['teacher']!.length);
  const rows = Array.from({ length: count }, (_, i) =>
    titles.map((title) => [`${results.prompts[i]}: ${title}`, clips[title]![i]!] as const),
  );
  const provenance = { version: results.version, weights: results.weights.commit };
  return show.frames(Object.fromEntries(rows.flat()), { count: 9, width: 720, provenance });
}

function summaryOf({ results }: DemoShow): string {
  const change = results.differences['phase 2 - phase 1']!;
  const [reward, judge] = [change.reward, change.judge].map(
    ({ estimate, low, high }) => `${signed(estimate)} [${signed(low)}, ${signed(high)}]`,
  );
  const motion = ['phase 1', 'phase 2'].map((title) => percent(results.outcomes[title]!.dynamicDegree.estimate));
  return (
    `Phase 2 changes the reward of the last frame by ${reward} standard deviations and a second judge, never trained ` +
    `on, by ${judge} (${results.prompts.length} prompts, ${results.seeds} seeds, 95% intervals). Of the clips, ` +
    `${motion[0]} move before it and ${motion[1]} after.`
  );
}

function teacherSection({ clips, real, results }: DemoShow): show.ReportSection {
  const { prompts, codec } = results;
  return {
    title: 'The teacher',
    text: 'Many steps with guidance, the whole clip at once. Above it real clips of the same captions, in handwriting that nothing was trained on.',
    figures: [
      { figure: show.clip(byPrompt(real, prompts), { title: 'real', codec }) },
      { figure: show.clip(byPrompt(clips['teacher']!, prompts), { title: 'teacher', codec }) },
    ],
  };
}

function trajectorySection({ trajectories, manifest }: DemoShow): show.ReportSection {
  const { steps } = manifest.recipe.trajectories;
  return {
    title: 'From noise to clip',
    text: `What the teacher believes the clip to be at the noise levels that the student learns, over ${steps} steps. The coarse things, colour and place, are settled first; strokes come last.`,
    figures: trajectories.map(({ prompt, sigmas, clips }) => {
      const rows = clips.map((clip, i) => [sigmas[i] ? `σ = ${sigmas[i]!.toFixed(2)}` : 'finished', clip] as const);
      return { figure: show.frames(Object.fromEntries(rows), { title: prompt, count: 9 }) };
    }),
  };
}

function studentSection({ clips, results }: DemoShow): show.ReportSection {
  const { prompts, codec } = results;
  const stages = {
    'before phase 1': 'distilled weights, run causally',
    'phase 1': 'ODE regression',
    'phase 2': 'reward',
  };
  const figures = clips['phase 1']!.map((_, i) => {
    const row = Object.keys(stages).map((title) => [title, clips[title]![i]!] as const);
    return { figure: show.clip(Object.fromEntries(row), { title: prompts[i]!, codec }) };
  });
  const names = Object.entries(stages).map(([title, meaning]) => `${title}: ${meaning}`);
  return {
    title: 'The student before and after',
    text: `Four steps a block, frame block by frame block, from its own past. ${names.join('; ')}. The same noise in each row.`,
    figures,
  };
}

function flowSection({ clips, real, results }: DemoShow): show.ReportSection {
  const [prompt = ''] = results.prompts;
  const fields = {
    real: middleFlow(real[0]!),
    teacher: middleFlow(clips['teacher']![0]!),
    'phase 1': middleFlow(clips['phase 1']![0]!),
    'phase 2': middleFlow(clips['phase 2']![0]!),
  };
  return {
    title: 'Motion',
    text: 'Optical flow between the two middle frames: hue is direction, strength of colour is speed, white is still.',
    figures: [
      {
        figure: show.flow(fields, { title: prompt }),
        caption: 'Weight-free Lucas-Kanade flow; all panels on one scale.',
      },
    ],
  };
}

function trainingSection({ results }: DemoShow): show.ReportSection {
  const { 'short phase 1': first, 'short phase 2': second } = results.curves;
  return {
    title: 'Both phases, for a few steps',
    text: 'Trained while this page was made, from the distilled weights and from the student of phase 1: enough to see the curves move, not to reach the shipped students.',
    figures: [
      { figure: lines({ loss: first!['loss']! }, 'Phase 1: regression onto trajectories', 'loss') },
      {
        figure: lines(
          { reward: second!['reward']! },
          'Phase 2: reward of the last frame',
          'reward, standard deviations',
        ),
      },
      { figure: lines(gradients(results.curves), 'Gradient norm before clipping', 'norm') },
    ],
  };
}

function gradients(curves: Readonly<Record<string, Curves>>): Record<string, readonly number[]> {
  return Object.fromEntries(Object.entries(curves).map(([title, curve]) => [title, curve['gradNorm']!]));
}

function lines(series: Readonly<Record<string, readonly number[]>>, title: string, yLabel: string): show.Figure {
  const numbered = Object.entries(series).map(([name, y]) => [name, { x: y.map((_, i) => i + 1), y }] as const);
  return show.curve(Object.fromEntries(numbered), { title, xLabel: 'update', yLabel, smoothing: 0.8 });
}

function tableSection({ results }: DemoShow): show.ReportSection {
  const { outcomes, differences } = results;
  return {
    title: 'What was measured',
    text: `Estimates with 95% intervals, by bootstrap over ${results.prompts.length} prompts with ${results.seeds} seeds each. Differences are paired: same prompts, seeds and noise.`,
    figures: [
      { figure: measureTable(outcomes, ['real clips', 'teacher', 'phase 1', 'phase 2']) },
      { figure: differenceTable(differences['phase 2 - phase 1']!, 'Phase 2 minus phase 1') },
      {
        figure: measureTable(outcomes, ['before phase 1', 'short phase 1', 'short phase 2']),
        caption: 'The short runs of this page.',
      },
    ],
  };
}

function frameSection({ results }: DemoShow): show.ReportSection {
  return {
    title: 'Reward along the clip',
    text: 'Phase 2 sees the last frame alone. If only that frame gains, the student has learnt a trick; if all do, what the last block learnt carries over to the others, which share its weights.',
    figures: [
      {
        figure: show.curve(results.rewardPerFrame, {
          title: 'Mean reward of each frame',
          xLabel: 'frame',
          yLabel: 'reward, standard deviations',
        }),
      },
    ],
  };
}

/** What the run that trained the weights found, where that came along. */
function publishedSections({ published }: DemoShow): show.ReportSection[] {
  const sections: show.ReportSection[] = [];
  const { results, curves } = published;
  if (results) {
    sections.push({
      title: 'What the whole run shows',
      text: `From the run that trained the shipped weights: ${results.prompts} prompts, ${results.seeds} seeds. A claim is shown when its whole interval lies beyond the bound; negative results are kept.`,
      figures: [{ figure: claimsTable(results.claims) }],
    });
  }
  if (curves) {
    const figures = Object.entries(curves).map(([stage, { step, values }]) => {
      const name = values['reward'] ? 'reward' : 'loss';
      return {
        figure: show.curve(
          { [name]: { x: step, y: values[name]! } },
          { title: stage, xLabel: 'update', width: 420, height: 220 },
        ),
      };
    });
    sections.push({ title: 'How the shipped weights were trained', figures });
  }
  return sections;
}

function byPrompt<Value>(values: readonly Value[], prompts: readonly string[]): Record<string, Value> {
  return Object.fromEntries(values.map((value, i) => [prompts[i]!, value]));
}

function percent(share: number): string {
  return `${Math.round(100 * share)}%`;
}

function signed(value: number): string {
  return `${value < 0 ? '−' : '+'}${Math.abs(value).toFixed(2)}`;
}
