/** A demo's result as a picture: what the networks made of the same prompts and the same noise. */

import { type Clip, clipFrame, createClip } from '../../io/index.ts';
import { packageVersion } from '../../io/internal.ts';
import * as show from '../../show/index.ts';
import * as digits from '../../world/digits/index.ts';
import type { DemoRecord } from './demo-results.ts';
import { realClips } from './illustrations.ts';

/** Prompts whose last frames stand side by side. */
const SHOWN = 10;

/** Last frames of the first prompts, network by network; below, the clips of the very first, frame by frame. */
export function demoPicture({ manifest, prompts, outcomes }: DemoRecord): show.Figure {
  const some = prompts.slice(0, SHOWN);
  const made = (title: string): readonly Clip[] => outcomes[title]!.clips[0]!.slice(0, SHOWN);
  const sources = {
    'real clips': realClips(some, manifest.recipe.seed),
    teacher: made('teacher'),
    'phase 1, regression': made('phase 1'),
    'phase 2, reward': made('phase 2'),
  };
  const ends = Object.entries(sources).map(([title, clips]) => [`${title}: last frames`, lastFrames(clips)] as const);
  const motion = Object.entries(sources)
    .slice(2)
    .map(([title, [first]]) => [`${title}: ${some[0]}`, first!] as const);
  const titles: ReadonlySet<string> = new Set(ends.map(([title]) => title));
  return show.frames(Object.fromEntries([...ends, ...motion]), {
    count: Math.max(some.length, motion[0]![1].frames),
    width: 900,
    label: (title, index) => (titles.has(title) ? nameOf(some[index]!) : String(index)),
    provenance: { version: packageVersion(), weights: manifest.commit },
  });
}

function nameOf(prompt: string): string {
  const { colour, digit } = digits.parseCaption(prompt);
  return `${colour} ${digit}`;
}

/** One frame after the other: the last of each clip. */
function lastFrames(clips: readonly Clip[]): Clip {
  const { height, width, fps } = clips[0]!;
  const data = new Float32Array(clips.length * height * width * 3);
  for (const [i, clip] of clips.entries()) data.set(clipFrame(clip, -1), i * height * width * 3);
  return createClip(data, { frames: clips.length, height, width, fps });
}
