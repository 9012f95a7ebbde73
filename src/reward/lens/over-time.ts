import { type Tensor, tf } from '../../engine/tf.ts';
import { picture, scoresOf, seenBy, type View } from './looks.ts';

/** One number for each frame of a clip. */
export interface FrameCurve {
  /** `score`: a frame reward's score of each frame; `worth`: what a clip reward loses when the frame stands still. */
  meaning: 'score' | 'worth';
  values: number[];
}

/**
 * How a reward runs along a clip. A frame reward scores each frame. A clip reward has one score, so each frame is
 * replaced by its predecessor (the first by its successor) and the loss is told: the frames it needs to see.
 */
export async function frameCurve(view: Omit<View, 'frame'>): Promise<FrameCurve> {
  const isClip = view.reward.info.kind === 'clip';
  const values = isClip ? await worths({ ...view, frame: 0 }) : await scores({ ...view, frame: 0 });
  return { meaning: isClip ? 'worth' : 'score', values };
}

async function scores(view: View): Promise<number[]> {
  const { frames, height, width } = view.clip;
  const values: number[] = [];
  for (let frame = 0; frame < frames; frame++) {
    const seen = (): Tensor => tf.tensor(picture(view.clip, frame), [1, height, width, 3]);
    values.push(...(await scoresOf(view, seen)));
  }
  return values;
}

async function worths(view: View): Promise<number[]> {
  const { frames } = view.clip;
  const [own = 0] = await scoresOf(view, () => seenBy(view));
  const values: number[] = [];
  for (let frame = 0; frame < frames; frame++) {
    const shown = Array.from({ length: frames }, (_, i) => (i === frame ? Math.abs(frame - 1) % frames : i));
    const stilled = await scoresOf(view, () => tf.gather(seenBy(view), tf.tensor1d(shown, 'int32'), 1));
    values.push(own - stilled[0]!);
  }
  return values;
}
