/** Whether an autoencoder is good enough to train on: sharp things stay sharp, and blur is passed on, not hidden. */
import { type Tensor, tf } from '../../engine/tf.ts';
import { toSigned, toUnit } from '../../nn/index.ts';
import { drawClip, picture, type SpriteSettings } from './clip.ts';
import { type Path, type Point, SIZE } from './motion.ts';
import { gradientEnergy } from './tracker.ts';

/** Gradient energy of blurred things against the same things without blur, over a range of speeds. */
export interface BlurPassedOn {
  /** Px a frame, from this up to the next. */
  readonly from: number;
  readonly to: number;
  readonly count: number;
  /** In real frames. */
  readonly real: number;
  /** After coding both. */
  readonly coded: number;
}

/** What an autoencoder leaves of sharpness. */
export interface SharpnessGate {
  /** Share of the gradient energy of unblurred things that coding keeps. */
  readonly kept: number;
  readonly bySpeed: readonly BlurPassedOn[];
  /** Whether at least 80 % is kept, and at most 75 % of that at 3 to 4 px a frame. */
  readonly isMet: boolean;
}

/** Which frames are coded. */
export interface GateOptions {
  /** Each gives two frames, with and without blur. @defaultValue 384 */
  readonly clips?: number;
  /** @defaultValue 'gate' */
  readonly seed?: number | string;
}

const LEAST_KEPT = 0.8;
const MOST_AT_3_PX = 0.75;
const SPEEDS = [0, 0.01, 0.75, 1.5, 2.25, 3, 4, 9] as const;
/** Clips coded at once. */
const BATCH = 12;
const SETTINGS: SpriteSettings = { rest: 0.5, frames: 9, shutter: 1 };
const LENGTH = SIZE * SIZE * 3;

/**
 * Codes middle frames of test clips, as they are and without blur, and compares the gradient energy of their things.
 *
 * @param codec - what coding and decoding makes of videos [B, 1, 64, 64, 3] in [-1, 1]
 * @example const { isMet, kept } = await sharpnessGate((video) => vae.decode(net, vae.encode(net, video)));
 */
export async function sharpnessGate(
  codec: (videos: Tensor) => Tensor,
  { clips = 384, seed = 'gate' }: GateOptions = {},
): Promise<SharpnessGate> {
  const seen: Seen[] = [];
  for (let start = 0; start < clips; start += BATCH) {
    const some = Array.from({ length: Math.min(BATCH, clips - start) }, (_, i) => middleFrames(start + i, seed));
    const after = await coded(codec, some);
    for (const [i, { speed, corner, blurred, sharp }] of some.entries()) {
      const [of, ofSharp] = [after[2 * i]!, after[2 * i + 1]!].map((frame) => gradientEnergy(frame, corner));
      const [real, realSharp] = [blurred, sharp].map((frame) => gradientEnergy(frame, corner));
      seen.push({ speed, real: real! / realSharp!, coded: of! / ofSharp!, kept: ofSharp! / realSharp! });
    }
  }
  return summary(seen);
}

interface Seen {
  readonly speed: number;
  readonly real: number;
  readonly coded: number;
  readonly kept: number;
}

/** The middle frame of a clip with and without blur, and the speed of its thing. */
interface MiddleFrames {
  readonly speed: number;
  readonly corner: Point;
  readonly blurred: Float32Array;
  readonly sharp: Float32Array;
}

function middleFrames(index: number, seed: number | string): MiddleFrames {
  const { scene, motion } = drawClip(index, { seed, split: 'test' }, SETTINGS);
  const time = SETTINGS.frames >> 1;
  const [blurred, sharp] = [SETTINGS.shutter, 0].map((shutter) => picture(scene, motion.path, time, shutter));
  return { speed: speedAt(motion.path, time), corner: motion.path(time), blurred: blurred!, sharp: sharp! };
}

/** Px a frame, over the middle half of a frame's time. */
function speedAt(path: Path, time: number): number {
  const [[x, y], [fromX, fromY]] = [path(time + 0.25), path(time - 0.25)];
  return 2 * Math.hypot(x - fromX, y - fromY);
}

/** Both frames of each, in turn, coded and decoded: [64, 64, 3] in [0, 1]. */
async function coded(codec: (videos: Tensor) => Tensor, some: readonly MiddleFrames[]): Promise<Float32Array[]> {
  const frames = some.flatMap(({ blurred, sharp }) => [blurred, sharp]);
  const data = new Float32Array(frames.length * LENGTH);
  for (const [i, frame] of frames.entries()) data.set(frame, i * LENGTH);
  const videos = tf.tidy(() => toUnit(codec(toSigned(tf.tensor(data, [frames.length, 1, SIZE, SIZE, 3])))));
  const values = await videos.data<'float32'>();
  videos.dispose();
  return frames.map((_, i) => values.subarray(i * LENGTH, (i + 1) * LENGTH));
}

function summary(seen: readonly Seen[]): SharpnessGate {
  const bySpeed = SPEEDS.slice(1).map((to, i): BlurPassedOn => {
    const from = SPEEDS[i]!;
    const some = seen.filter(({ speed }) => speed >= from && speed < to);
    return { from, to, count: some.length, real: mean(some, 'real'), coded: mean(some, 'coded') };
  });
  const kept = mean(seen, 'kept');
  const atThree = bySpeed.find(({ from }) => from === 3);
  return { kept, bySpeed, isMet: kept >= LEAST_KEPT && atThree!.coded <= MOST_AT_3_PX };
}

/** NaN where there is nothing. */
function mean(seen: readonly Seen[], of: 'real' | 'coded' | 'kept'): number {
  return seen.reduce((sum, one) => sum + one[of], 0) / seen.length;
}
