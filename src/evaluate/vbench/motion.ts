/** VBench's dimensions of motion by their own networks: RAFT for the degree and for stillness, AMT-S for smoothness. */
import { tf } from '../../engine/tf.ts';
import type { Clip } from '../../io/index.ts';
import { type AmtConfig, amtMidpoint, amtStride } from '../../model/amt/index.ts';
import { roundHalfEven } from '../../model/preprocess/index.ts';
import { type RaftConfig, raftForward } from '../../model/raft/index.ts';
import type { Part } from '../../nn/index.ts';
import { mean } from '../statistics/index.ts';
import { byteFrames, paddingTo, padPlane } from './frames.ts';
import type { DimensionValue } from './looks.ts';
import { type DynamicDegree, dynamicDegree, flicker, sampledFrames, topMagnitude } from './rules.ts';

const iterations = 20;

/** A frame of 8 bits with its border repeated to multiples of `stride`: [1, H, W, 3] of 0..255. */
function paddedFrame(clip: Clip, frame: number, stride: number) {
  const bytes = byteFrames(clip, [frame]);
  const data = bytes.dataSync() as Float32Array;
  bytes.dispose();
  const { height, width } = clip;
  const padded = padPlane({ data, height, width }, paddingTo(stride, height, width));
  return tf.tensor4d(padded.data, [1, padded.height, padded.width, 3]);
}

/** Mean of the largest `share` of RAFT's magnitudes between two frames; the padding counts, as in VBench. */
async function pairMagnitude(
  clip: Clip,
  [from, to]: readonly [number, number],
  net: Part<RaftConfig>,
  share?: number,
): Promise<number> {
  const flow = tf.tidy(() => {
    const [first, second] = [from, to].map((frame) => {
      return tf.sub(tf.mul(tf.div(paddedFrame(clip, frame, 8), 255), 2), 1);
    });
    return raftForward(net, first!, second!, { iterations });
  });
  const values = (await flow.data()) as Float32Array;
  flow.dispose();
  const [u, v] = [new Float32Array(values.length / 2), new Float32Array(values.length / 2)];
  for (let i = 0; i < u.length; i++) [u[i], v[i]] = [values[2 * i]!, values[2 * i + 1]!];
  return topMagnitude(u, v, share);
}

/** Whether a clip moves, by RAFT on colour frames at about 8 a second. Source: VBench vbench/dynamic_degree.py. */
export async function raftDynamicDegree(clip: Clip, raft: Part<RaftConfig>): Promise<DynamicDegree> {
  const { kept } = sampledFrames(clip.frames, clip.fps);
  const scores: number[] = [];
  for (const [i, frame] of kept.slice(1).entries()) scores.push(await pairMagnitude(clip, [kept[i]!, frame], raft));
  return dynamicDegree(scores, clip.height, clip.width);
}

const STILL_SHARE = 0.02;

/**
 * Whether a clip is still, from the mean of the largest 2 % of the magnitudes of each neighbouring pair and of the pairs
 * (first, last) and (last, first): at most round(2 n / 16) pairs above 3 min(H, W) / 256, and neither long pair above
 * that many times twice the threshold. Source: VBench static_filter.py.
 */
export function isStill(
  neighbours: readonly number[],
  long: readonly number[],
  height: number,
  width: number,
): boolean {
  const threshold = (3 * Math.min(height, width)) / 256;
  const allowed = roundHalfEven((2 * (neighbours.length + 1)) / 16);
  const above = neighbours.filter((score) => score > threshold).length;
  return above <= allowed && long.every((score) => score <= threshold * allowed * 2);
}

/** VBench's static filter on all frames of a clip, by RAFT. */
export async function passesStaticFilter(clip: Clip, raft: Part<RaftConfig>): Promise<boolean> {
  const last = clip.frames - 1;
  const neighbours: number[] = [];
  for (let i = 0; i < last; i++) neighbours.push(await pairMagnitude(clip, [i, i + 1], raft, STILL_SHARE));
  const long: number[] = [];
  for (const pair of [
    [0, last],
    [last, 0],
  ] as const)
    long.push(await pairMagnitude(clip, pair, raft, STILL_SHARE));
  return isStill(neighbours, long, clip.height, clip.width);
}

/** Temporal flickering of a clip that passes the static filter, null of one that moves. */
export async function temporalFlickering(clip: Clip, raft: Part<RaftConfig>): Promise<DimensionValue | null> {
  return (await passesStaticFilter(clip, raft)) ? { score: flicker(clip), weight: 1 } : null;
}

/**
 * Motion smoothness: every other frame is made anew from its neighbours by AMT-S and compared with itself,
 * (255 - mean |difference|) / 255 on 8 bits; what is made is cut off, not rounded, to whole numbers.
 *
 * @throws RangeError with fewer than three frames, or frames below 128 pixels.
 * Source: VBench vbench/motion_smoothness.py.
 */
export async function motionSmoothness(clip: Clip, amt: Part<AmtConfig>): Promise<DimensionValue> {
  if (clip.frames < 3) throw new RangeError(`motionSmoothness needs three frames or more; the clip has ${clip.frames}`);
  const differences: number[] = [];
  for (let odd = 1; odd + 1 < clip.frames; odd += 2) differences.push(await midpointDifference(clip, odd, amt));
  return { score: (255 - mean(differences)) / 255, weight: 1 };
}

async function midpointDifference(clip: Clip, odd: number, net: Part<AmtConfig>): Promise<number> {
  const { height, width } = clip;
  const { top, left } = paddingTo(amtStride, height, width);
  const difference = tf.tidy(() => {
    const [before, after] = [odd - 1, odd + 1].map((frame) => tf.div(paddedFrame(clip, frame, amtStride), 255));
    const between = tf.slice(amtMidpoint(net, before!, after!), [0, top, left, 0], [1, height, width, 3]);
    const bytes = tf.floor(tf.clipByValue(tf.mul(between, 255), 0, 255));
    return tf.mean(tf.mean(tf.abs(tf.sub(bytes, byteFrames(clip, [odd]))), [2, 3]));
  });
  const [value] = await difference.data<'float32'>();
  difference.dispose();
  return value!;
}
