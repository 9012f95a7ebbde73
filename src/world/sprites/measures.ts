/** What clips of the sprites are measured by: does the thing fit, does it move, how fast, how sharp is it. */
import type { Clip } from '../../io/index.ts';
import { dynamicDegree, type Measure, type Measured, steadiness } from '../measures.ts';
import { parseCaption } from './captions.ts';
import { type Tracked, track } from './tracker.ts';

const seen = new WeakMap<Clip, Tracked>();

/** What clips show, looked at once for all measures. */
async function seenIn({ clips, onClip }: Pick<Measured, 'clips' | 'onClip'>): Promise<Tracked[]> {
  const all: Tracked[] = [];
  for (const clip of clips) {
    const tracked = seen.get(clip) ?? track(clip);
    seen.set(clip, tracked);
    all.push(tracked);
    await onClip();
  }
  return all;
}

const byTemplate = "the thing's picture where it correlates best";

/** In the order of tables. */
export const spriteMeasures: readonly Measure[] = [
  {
    id: 'thing',
    label: 'thing right',
    meaning: 'share of clips that show the thing of the prompt',
    variant: 'the one of twelve pictures that correlates best over all frames',
    kind: 'fidelity',
    isShare: true,
    score: async (measured) => {
      const all = await seenIn(measured);
      return all.map(({ thing }, i) => Number(thing === parseCaption(measured.prompts[i]!).thing));
    },
  },
  {
    id: 'place',
    label: 'place right',
    meaning: 'share of clips that show the place of the prompt',
    variant: 'the one of four places that is nearest outside of the thing',
    kind: 'fidelity',
    isShare: true,
    score: async (measured) => {
      const all = await seenIn(measured);
      return all.map(({ place }, i) => Number(place === parseCaption(measured.prompts[i]!).place));
    },
  },
  {
    id: 'likeness',
    label: 'likeness of the thing',
    meaning: 'how much the thing looks like its picture: 1 at most, less when it is torn or blurred',
    variant: `correlation of ${byTemplate}, mean over frames`,
    kind: 'fidelity',
    score: async (measured) => (await seenIn(measured)).map(({ likeness }) => mean(likeness)),
  },
  {
    id: 'sharpness',
    label: 'sharpness of the thing',
    meaning:
      'gradient energy against the thing at rest: 1 for a crisp thing, about a half at 3 to 4 px a frame; grain and tears count as sharp, so read it beside the likeness',
    variant: `gradient energy over ${byTemplate}, against its still render there, mean over frames`,
    kind: 'fidelity',
    score: async (measured) => (await seenIn(measured)).map(({ sharpness }) => mean(sharpness)),
  },
  dynamicDegree,
  {
    id: 'pxPerFrame',
    label: 'speed, px a frame',
    meaning: 'how fast the thing moves; unlike the dynamic degree it tells fast from slow',
    variant: `mean way between frames of ${byTemplate}`,
    kind: 'motion',
    score: async (measured) => (await seenIn(measured)).map(({ pxPerFrame }) => pxPerFrame),
  },
  steadiness,
];

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}
