/**
 * The world of moving digits: MNIST's handwriting in six colours, moving straight over 32x32 pixels as its caption says.
 */
import type { Clip } from '../../io/index.ts';
import type { HostFloats, Key } from '../../nn/index.ts';
import type { Source } from '../../train/index.ts';
import type { WorldJudge } from '../judge.ts';
import {
  type Claim,
  dynamicDegree,
  lastFrameKeepsMotion,
  type Measure,
  rewardMeasures,
  steadiness,
} from '../measures.ts';
import { preferenceJudges } from '../preference/index.ts';
import { TRAINING_CLIPS } from '../sources.ts';
import { defineWorld, type World } from '../world.ts';
import { caption, type Label, labels, parseCaption, WORDS } from './captions.ts';
import { CLASSIFIER, type ClassifierConfig, classifier, trainClassifier } from './classifier.ts';
import { clip, type DigitClip, FPS, FRAMES, SIZE } from './clip.ts';
import { type CaptionFidelity, type ClipFidelity, captionFidelity } from './fidelity.ts';
import { digitTask } from './pairs.ts';

/** What the clips of the digits depend on. */
export interface DigitOptions {
  /** Handwritten exemplars of each digit that clips are drawn from. @defaultValue 10 */
  readonly exemplars?: number;
  /**
   * Exemplars of each digit that the autoencoder sees: more, so that it knows strokes rather than digits.
   *
   * @defaultValue 100
   */
  readonly autoencoderExemplars?: number;
  /** Side of the square windows around the digit that the autoencoder is trained on. @defaultValue 20 */
  readonly window?: number;
}

/** The moving digits. */
export function digitWorld(given: DigitOptions = {}): World<Omit<DigitClip, 'clip' | 'caption'>> {
  const options = { exemplars: 10, autoencoderExemplars: 100, window: 20, ...given };
  const identity = { id: 'digits', options };
  const judges = [...preferenceJudges(digitTask(identity)), classifierJudge];
  return defineWorld({
    ...identity,
    origin: 'trained on moving digits drawn from MNIST (Y. LeCun, C. Cortes, C. J. C. Burges), CC BY-SA 3.0',
    size: { frames: FRAMES, height: SIZE, width: SIZE, fps: FPS },
    words: WORDS,
    captions: labels('all').map(caption),
    heldOut: labels('held-out').map(caption),
    clip: (index, { split = 'train', prompt, seed = 0 }) => {
      const label = prompt === undefined ? {} : { label: parseCaption(prompt) };
      const only = split === 'train' ? { exemplars: options.exemplars } : {};
      const { clip: video, caption, ...truth } = clip(index, { seed, split, ...only, ...label });
      return { clip: video, caption, truth };
    },
    brief: (prompt) => {
      const { colour, digit } = parseCaption(prompt);
      return `${colour} ${digit}`;
    },
    autoencoderSource: (seed) => windows(seed, options),
    judges,
    measures: measuresOf(judges),
    claims,
    recipe: { vae: { pixelWeight: { above: -0.5, weight: 5 } } },
  });
}

/** Videos [B, 9, W, W, 3] in [-1, 1]: square windows that hold most of the digit, at random offsets. */
function windows(
  seed: number | string,
  { window, autoencoderExemplars }: { window: number; autoencoderExemplars: number },
): Source<HostFloats> {
  const size = FRAMES * window * window * 3;
  return (key, count) => {
    const data = new Float32Array(count * size);
    const indices = key.stream('clips').integers(0, TRAINING_CLIPS, count);
    for (let b = 0; b < count; b++) {
      const item = clip(indices[b]!, { seed, exemplars: autoencoderExemplars, prompts: 'all' });
      cut(item, data.subarray(b * size, (b + 1) * size), window, key.stream('window').stream(b));
    }
    return { dtype: 'float32', shape: [count, FRAMES, window, window, 3], data };
  };
}

/** Copies a window of all frames, placed around the digit's middle position, in [-1, 1]. */
function cut({ clip, centroids }: DigitClip, out: Float32Array, window: number, key: Key): void {
  const [cx = 0, cy = 0] = centroids[FRAMES >> 1] ?? [];
  const jitter = key.integers(-5, 6, 2);
  const place = (centre: number, shift: number): number =>
    Math.min(Math.max(Math.round(centre - window / 2) + shift, 0), SIZE - window);
  const [x0, y0] = [place(cx, jitter[0]!), place(cy, jitter[1]!)];
  for (let frame = 0; frame < FRAMES; frame++) {
    for (let y = 0; y < window; y++) {
      const from = 3 * ((frame * SIZE + y0 + y) * SIZE + x0);
      const to = 3 * (frame * window + y) * window;
      for (let i = 0; i < 3 * window; i++) out[to + i] = 2 * clip.data[from + i]! - 1;
    }
  }
}

const classifierJudge: WorldJudge<ClassifierConfig> = {
  id: 'classifier',
  variant: 'small convolutional classifier',
  architecture: classifier,
  config: CLASSIFIER,
  training: { seed: 0, steps: 3600, batch: 64 },
  train: (net, run) => trainClassifier({ ...run, net }),
};

function measuresOf(judges: readonly WorldJudge[]): readonly Measure[] {
  return [
    right(
      'digit',
      'share of clips that show the digit of the prompt',
      `${classifierJudge.variant} on the middle frame`,
    ),
    right('colour', 'share of clips in the colour of the prompt', 'nearest of six by mean hue of lit pixels'),
    right(
      'direction',
      'share of clips that move as the prompt says',
      'larger component of the displacement of the intensity-weighted centroid',
    ),
    right(
      'speed',
      'share of clips as fast as the prompt says',
      'nearest of 1 and 2 px a frame; still clips count as wrong',
    ),
    dynamicDegree,
    {
      id: 'pxPerFrame',
      label: 'speed, px a frame',
      meaning: 'how fast the digit moves; real clips move by 1 or 2',
      variant: 'mean displacement of the intensity-weighted centroid between frames',
      kind: 'motion',
      score: async (measured) => (await seenIn(measured)).map(({ seen }) => seen.pxPerFrame),
    },
    steadiness,
    ...rewardMeasures(judges),
  ];
}

function right(id: keyof Label, meaning: string, variant: string): Measure {
  return {
    id,
    label: `${id} right`,
    meaning,
    variant,
    kind: 'fidelity',
    isShare: true,
    score: async (measured) => (await seenIn(measured)).map((clip) => Number(clip.right[id])),
  };
}

const known = new WeakMap<readonly Clip[], Promise<CaptionFidelity>>();

/** What clips show, looked at once for all measures. */
async function seenIn({ clips, prompts, judges }: Parameters<Measure['score']>[0]): Promise<ClipFidelity[]> {
  const looked = known.get(clips) ?? captionFidelity(clips, prompts.map(parseCaption), judges.net(classifierJudge));
  known.set(clips, looked);
  return (await looked).clips;
}

const unseen: Readonly<Record<keyof Label, number>> = { digit: 0.85, colour: 0.98, direction: 0.9, speed: 0.85 };

/** What the method is said to do on the digits, fixed before any result. */
const claims: readonly Claim[] = [
  ...Object.entries(unseen).map(([measure, atLeast]) => ({
    claim: `the teacher shows the ${measure} of prompts whose labels it never saw`,
    of: 'teacher, held-out prompts' as const,
    measure,
    atLeast,
  })),
  {
    claim: 'the classifier reads digits of handwriting that it never saw',
    of: 'real clips',
    measure: 'digit',
    atLeast: 0.97,
  },
  {
    claim: 'the causal student of phase 1 moves, at most 10 points less than the teacher',
    of: 'phase 1',
    minus: 'teacher',
    measure: 'dynamicDegree',
    atLeast: -0.1,
  },
  {
    claim: 'phase 2 raises the reward by a standard deviation',
    of: 'phase 2',
    minus: 'phase 1',
    measure: 'reward',
    atLeast: 1,
  },
  {
    claim: 'phase 2 raises the second judge, too, by a standard deviation',
    of: 'phase 2',
    minus: 'phase 1',
    measure: 'judge',
    atLeast: 1,
  },
  ...lastFrameKeepsMotion,
];
