import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { evidenceOfLog } from '../../src/evaluate/diagnostics/evidence.ts';
import {
  type ClipEvidence,
  clipEvidence,
  type Diagnosis,
  diagnose,
  type HackingSignals,
  hackingAlarms,
  logEvidence,
  type RunEvidence,
} from '../../src/evaluate/index.ts';
import { type Clip, createClip } from '../../src/io/index.ts';
import { testFolder } from '../folder.ts';
import { movingSquare } from './clips.ts';

const folder = await testFolder('diagnose');

const prompts = ['a', 'a', 'b'];
const healthy = clipEvidence([movingSquare(9, 48, 2), movingSquare(9, 48, 3), movingSquare(9, 48, 2)], prompts, {
  borders: [3, 6],
});

function stateOf(found: readonly Diagnosis[], symptom: string): Diagnosis['state'] {
  const row = found.find((one) => one.symptom === symptom);
  if (!row) throw new Error(`no diagnosis "${symptom}" among ${found.map((one) => one.symptom).join(', ')}`);
  return row.state;
}

function changed(clip: Clip, change: (value: number, frame: number, i: number) => number): Clip {
  const size = clip.height * clip.width * 3;
  return createClip(
    clip.data.map((value, i) => change(value, Math.floor(i / size), i)),
    clip,
  );
}

test('a run without evidence is said to be unmeasured, not healthy', () => {
  const found = diagnose({});
  expect(found).toHaveLength(16);
  expect(found.every(({ state }) => state === 'not measured')).toBe(true);
  expect(found.every(({ reason, advice }) => reason.startsWith('needs ') && advice.length > 0)).toBe(true);
});

test('a run like its baseline shows nothing', () => {
  const found = diagnose({ clips: healthy }, { clips: healthy });
  expect(found.filter(({ state }) => state === 'alarm' || state === 'note')).toEqual([]);
});

describe('clips', () => {
  const check = (clips: readonly Clip[], symptom: string): Diagnosis['state'] => {
    const evidence = clipEvidence(clips, prompts, { borders: [3, 6] });
    return stateOf(diagnose({ clips: evidence }, { clips: healthy }), symptom);
  };
  const three = (make: (i: number) => Clip): Clip[] => [0, 1, 2].map(make);

  test('still ones', () => {
    expect(
      check(
        three(() => movingSquare(9, 48, 0)),
        'static video',
      ),
    ).toBe('alarm');
  });

  test('flickering ones', () => {
    const flashing = three(() =>
      changed(movingSquare(9, 48, 2), (value, frame) => value + (frame % 2 === 0 ? 0 : 0.1)),
    );
    expect(check(flashing, 'flicker or broken motion')).toBe('alarm');
  });

  test('ones with seams', () => {
    const jumping = three(() =>
      changed(movingSquare(9, 48, 2), (value, frame) => value + 0.15 * (Math.floor(frame / 3) % 2)),
    );
    expect(check(jumping, 'seams between blocks')).toBe('alarm');
  });

  test('ones that are all alike', () => {
    expect(
      check(
        three(() => movingSquare(9, 48, 2)),
        'collapse of diversity',
      ),
    ).toBe('alarm');
  });

  test('washed-out ones', () => {
    const white = three((k) => changed(movingSquare(9, 48, 2 + k), (value) => Math.min(1, 2.8 * value)));
    expect(check(white, 'saturated decoder')).toBe('alarm');
    expect(check(white, 'style drift')).toBe('note');
  });
});

const quiet: ClipEvidence = healthy;

test.each<[string, RunEvidence, Diagnosis['state']]>([
  ['only the last frame improves', { rewardCurve: { mean: [0, 0, 1], lastMinusOthers: 1 } }, 'alarm'],
  ['only the last frame improves', { rewardCurve: { mean: [1, 1, 1.2], lastMinusOthers: 0.2 } }, 'fine'],
  [
    'reward hacking',
    { rewards: { trained: [0, 1, 2, 3], independent: { look: [3, 2, 1, 0], text: [9, 8, 7, 6] } } },
    'alarm',
  ],
  [
    'reward hacking',
    { rewards: { trained: [0, 1, 2, 3], independent: { look: [3, 2, 1, 0], text: [6, 7, 8, 9] } } },
    'fine',
  ],
  ['reward hacking', { rewards: { trained: [0, 1, 2, 3], independent: { look: [0, 5, 4, 3] } } }, 'fine'],
  ['reward hacking', { rewards: { trained: [0, 1], independent: {} } }, 'not measured'],
  ['reward hacking', { rewards: { trained: [0, 1], independent: { look: [1, 0] } } }, 'alarm'],
  ['drift over blocks', { quality: [1, 1, 1, 1, 1, 0.9, 0.9, 0.9, 0.9, 0.9] }, 'alarm'],
  ['reward hacking', { rewards: { trained: [0, 1], independent: { look: [1, 0] } } }, 'alarm'],
  ['drift over blocks', { quality: [1, 1, 1, 1, 1, 0.97, 0.97, 0.97, 0.97, 0.97] }, 'fine'],
  ['weights run away from their average', { averageGap: [0.01, 0.02, 0.05] }, 'alarm'],
  ['static video', { clips: quiet }, 'not measured'],
])('%s, case %#', (symptom, evidence, state) => {
  expect(stateOf(diagnose(evidence), symptom)).toBe(state);
});

describe('signals of hacking', () => {
  const before: HackingSignals = {
    reward: 0,
    heldOut: 0,
    highFrequency: 0.1,
    saturated: 0.02,
    chroma: 0.1,
    robustnessGap: 0.2,
    promptMargin: 1,
    lastMinusOthers: 0.3,
    gradientNorm: 1,
    dynamicDegree: 1,
  };

  test('like those of the baseline show nothing, and are enough for all but what takes clips or a log', () => {
    const found = diagnose({ hacking: before }, { hacking: before });
    expect(found.filter(({ state }) => state === 'fine')).toHaveLength(8);
    expect(found.filter(({ state }) => state === 'alarm' || state === 'note')).toEqual([]);
  });

  test.each<[string, Partial<HackingSignals>]>([
    ['fine texture', { highFrequency: 0.21 }],
    ['loud colours', { chroma: 0.31 }],
    ['a score that small changes undo', { robustnessGap: 1.1 }],
    ['a prompt that hardly matters', { promptMargin: 0.09 }],
    ['only the last frame improves', { lastMinusOthers: 0.9 }],
    ['reward hacking', { reward: 1, heldOut: -0.1 }],
    ['static video', { dynamicDegree: 0.95 }],
    ['saturated decoder', { saturated: 0.08 }],
  ])('%s', (symptom, change) => {
    const alarms = hackingAlarms({ ...before, ...change }, before);
    expect(alarms).toEqual([expect.stringContaining(`${symptom} (`)]);
    const found = diagnose({ hacking: { ...before, ...change } }, { hacking: before });
    expect(found[0]).toMatchObject({ symptom, state: 'alarm' });
    expect(alarms[0]).toContain(found[0]!.reason);
  });

  test('growth from nothing is still growth, and a prompt that never mattered cannot be ignored', () => {
    const none = { ...before, chroma: 0, promptMargin: 0 };
    expect(hackingAlarms({ ...none, chroma: 0.01, promptMargin: -1 }, none)).toEqual([
      expect.stringContaining('loud colours'),
    ]);
  });
});

test('alarms come first and carry their numbers', () => {
  const [first] = diagnose({ clips: healthy, quality: [1, 1, 1, 1, 1, 0.5, 0.5, 0.5, 0.5, 0.5] }, { clips: healthy });
  expect(first).toMatchObject({ symptom: 'drift over blocks', state: 'alarm' });
  expect(first!.reason).toMatch(/-50\.0 %, below the limit of -5\.0 %/);
});

describe('the log of a run', () => {
  const line = (step: number, gradNorm: number | null, clippedShare = 0) => ({ step, loss: 1, gradNorm, clippedShare });

  test('numbers of late steps', () => {
    const lines = Array.from({ length: 40 }, (_, i) => line(i + 1, i < 36 ? 2 : 8, i < 36 ? 0 : 0.5));
    expect(evidenceOfLog(lines)).toEqual({ steps: 40, notFinite: 0, clippedShare: 0.5, gradNormGrowth: 4 });
    const found = diagnose({ log: evidenceOfLog([...lines, line(41, null)]) });
    expect(stateOf(found, 'unstable updates')).toBe('alarm');
    expect(stateOf(found, 'numbers that are not finite')).toBe('alarm');
  });

  test('is read from a run folder, a torn line left out', async () => {
    await writeFile(
      join(folder, 'metrics.jsonl'),
      `${JSON.stringify(line(1, 2))}\n${JSON.stringify(line(2, 2))}\n{"step":3`,
    );
    expect(await logEvidence(folder)).toMatchObject({ steps: 2, notFinite: 0 });
    await expect(logEvidence(join(folder, 'none'))).rejects.toThrow(/ENOENT/);
  });
});
