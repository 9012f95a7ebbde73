import { tf } from '../../../engine/tf.ts';
import type { Interval } from '../../../evaluate/statistics/bootstrap.ts';
import { wilson } from '../../../evaluate/statistics/compare.ts';
import { type Clip, clipFrame } from '../../../io/index.ts';
import { checkShapes, type Weights } from '../../../nn/index.ts';
import type { digits } from '../../index.ts';
import { CLASSIFIER, type ClassifierConfig, classifierShapes, classify } from '../classifier/index.ts';
import { digitColour, digitMotion } from './measures.ts';

/** A trained digit classifier. */
export interface Classifier {
  weights: Weights;
  config?: ClassifierConfig;
}

/** What one clip shows, and whether that is what its caption says. */
export interface ClipFidelity {
  seen: digits.Label & { still: boolean; pxPerFrame: number; digitProbability: number };
  right: Record<keyof digits.Label, boolean>;
}

/** Shares of clips that show what their captions say, with 95 % Wilson intervals. */
export interface CaptionFidelity extends Record<keyof digits.Label, Interval> {
  /** All four at once. */
  all: Interval;
  /** Clips whose digit does not move. */
  still: Interval;
  clips: ClipFidelity[];
}

const BATCH = 64;

/**
 * Caption fidelity of generated clips of the digit world: the digit by a classifier on the middle frame; colour,
 * direction and speed measured on the pixels without any network. A still clip has neither direction nor speed right.
 *
 * @param labels - what each clip should show, for instance `digits.parseCaption(prompt)`
 */
export async function captionFidelity(
  clips: readonly Clip[],
  labels: readonly digits.Label[],
  classifier: Classifier,
): Promise<CaptionFidelity> {
  if (clips.length === 0 || clips.length !== labels.length) {
    throw new Error(
      `captionFidelity got ${clips.length} clips and ${labels.length} labels; want one label for each clip`,
    );
  }
  const digitsSeen = await classifyMiddle(clips, classifier);
  const each = clips.map((clip, i) => judge(clip, labels[i]!, digitsSeen[i]!));
  const share = (is: (clip: ClipFidelity) => boolean): Interval => wilson(each.filter(is).length, each.length);
  return {
    digit: share(({ right }) => right.digit),
    colour: share(({ right }) => right.colour),
    direction: share(({ right }) => right.direction),
    speed: share(({ right }) => right.speed),
    all: share(({ right }) => Object.values(right).every(Boolean)),
    still: share(({ seen }) => seen.still),
    clips: each,
  };
}

function judge(clip: Clip, label: digits.Label, { label: digit, probability }: Seen): ClipFidelity {
  const { direction, speed, still, pxPerFrame } = digitMotion(clip);
  const colour = digitColour(clip);
  return {
    seen: { digit, colour, direction, speed, still, pxPerFrame, digitProbability: probability },
    right: {
      digit: digit === label.digit,
      colour: colour === label.colour,
      direction: !still && direction === label.direction,
      speed: !still && speed === label.speed,
    },
  };
}

interface Seen {
  label: number;
  probability: number;
}

async function classifyMiddle(clips: readonly Clip[], { weights, config = CLASSIFIER }: Classifier): Promise<Seen[]> {
  checkShapes(weights.shapes(), classifierShapes(config), 'the weights of the classifier');
  const seen: Seen[] = [];
  for (let start = 0; start < clips.length; start += BATCH) {
    const some = clips.slice(start, start + BATCH);
    const [{ height, width }] = some as [Clip];
    const values = new Float32Array(some.length * height * width * 3);
    for (const [i, clip] of some.entries()) values.set(clipFrame(clip, clip.frames >> 1), i * height * width * 3);
    const frames = tf.tensor4d(values, [some.length, height, width, 3]);
    seen.push(...(await classify({ weights, config }, frames)));
    frames.dispose();
  }
  return seen;
}
