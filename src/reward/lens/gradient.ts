import { type Tensor, tf } from '../../engine/tf.ts';
import { frameOf, picture, seenBy, textOf, type View, withFrame } from './view.ts';

/** Slope of the score with respect to each value of the frame, [H, W, 3]. */
export async function frameGradient(view: View): Promise<Float32Array> {
  checkSlope(view);
  const { height, width } = view.clip;
  const slope = tf.tidy(() => {
    const text = textOf(view);
    const whole = tf.grad((x: Tensor) => tf.sum(view.reward.compute(x, text)))(seenBy(view));
    if (view.reward.info.kind === 'frame') return whole;
    return tf.slice(whole, [0, frameOf(view.clip, view.frame), 0, 0, 0], [1, 1, height, width, 3]);
  });
  const values = await slope.data<'float32'>();
  slope.dispose();
  return values;
}

/** Where a climb starts from and how it goes. */
export interface ClimbOptions {
  /** Steps taken. @defaultValue 20 */
  steps?: number;
  /** Change of each value in a step. @defaultValue 0.01 */
  rate?: number;
}

/** The frame after steps along the gradient. */
export interface Climb {
  /** [H, W, 3] in [0, 1] */
  picture: Float32Array;
  /** Scores before the first step and after each. */
  scores: number[];
}

/**
 * Steps x <- clamp(x + rate * sign(dR/dx)) on the pixels of the frame: what the reward would like to see there. A score
 * that rises far while the picture hardly changes is a score that training can hack.
 */
export async function climb(view: View, { steps = 20, rate = 0.01 }: ClimbOptions = {}): Promise<Climb> {
  checkSlope(view);
  const { reward, clip, frame } = view;
  const text = textOf(view);
  const scored = tf.valueAndGrad((x: Tensor) => tf.sum(reward.compute(withFrame(view, x), text)));
  const scores: number[] = [];
  let x: Tensor = tf.tensor(picture(clip, frame), [1, clip.height, clip.width, 3]);
  for (let step = 0; step <= steps; step++) {
    const { value, grad } = scored(x);
    scores.push((await value.data())[0]!);
    const next = tf.tidy(() => tf.clipByValue(tf.add(x, tf.mul(tf.sign(grad), step < steps ? rate : 0)), 0, 1));
    tf.dispose([value, grad, x]);
    x = next;
  }
  const reached = await x.data<'float32'>();
  tf.dispose([x, ...Object.values(text)]);
  return { picture: reached, scores };
}

function checkSlope({ reward: { info } }: View): void {
  if (info.differentiable) return;
  throw new TypeError(`the reward ${info.id} has no gradient; look at it with occlusionMap instead`);
}
