/** VBench's dimensions of motion by their own networks: RAFT for the degree and for stillness, AMT-S for smoothness. */
import { type Tensor, tf } from '../../engine/tf.ts';
import {
  type AmtConfig,
  amtMidpoint,
  amtStride,
  type RaftConfig,
  raftForward,
  roundHalfEven,
} from '../../model/internal.ts';
import type { Part } from '../../nn/index.ts';
import { mean } from '../statistics.ts';
import type { DimensionValue } from './looks.ts';
import { type DynamicDegree, dynamicDegree, flickering, sampledFrames, topMagnitude } from './rules.ts';
import { byteFrames, type Measure, paddingTo, padPlane, type VideoShape } from './watch.ts';

const iterations = 20;

/** A frame with its border repeated to multiples of `stride`: [1, H, W, 3] of 0..255. */
function paddedFrame(frame: Uint8Array, { height, width }: VideoShape, stride: number): Tensor {
  const data = Float32Array.from(frame);
  const padded = padPlane({ data, height, width }, paddingTo(stride, height, width));
  return tf.tensor4d(padded.data, [1, padded.height, padded.width, 3]);
}

/** Mean of the largest `share` of RAFT's magnitudes between two frames; the padding counts, as in VBench. */
async function pairMagnitude(
  net: Part<RaftConfig>,
  video: VideoShape,
  pair: readonly [Uint8Array, Uint8Array],
  share?: number,
): Promise<number> {
  const flow = tf.tidy(() => {
    const [first, second] = pair.map((frame) => tf.sub(tf.mul(tf.div(paddedFrame(frame, video, 8), 255), 2), 1));
    return raftForward(net, first!, second!, { iterations });
  });
  const values = await flow.data<'float32'>();
  flow.dispose();
  const [u, v] = [new Float32Array(values.length / 2), new Float32Array(values.length / 2)];
  for (let i = 0; i < u.length; i++) [u[i], v[i]] = [values[2 * i]!, values[2 * i + 1]!];
  return topMagnitude(u, v, share);
}

/** Whether a clip moves, by RAFT on colour frames at about 8 a second. Source: VBench vbench/dynamic_degree.py. */
export function raftDynamicDegree(raft: Part<RaftConfig>): Measure<DynamicDegree> {
  return (video) => {
    const { interval } = sampledFrames(1, video.fps);
    const scores: number[] = [];
    let before: Uint8Array | null = null;
    let index = 0;
    return {
      see: async (frame) => {
        if (index++ % interval !== 0) return;
        if (before) scores.push(await pairMagnitude(raft, video, [before, frame]));
        before = frame;
      },
      result: () => dynamicDegree(scores, video.height, video.width),
    };
  };
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

/** Temporal flickering of a clip that passes the static filter (VBench static_filter.py) on all frames, null of one that moves. */
export function temporalFlickering(raft: Part<RaftConfig>): Measure<DimensionValue | null> {
  return (video) => {
    const changes = flickering();
    const neighbours: number[] = [];
    let first: Uint8Array | null = null;
    let last: Uint8Array | null = null;
    const magnitude = (...pair: [Uint8Array, Uint8Array]) => pairMagnitude(raft, video, pair, STILL_SHARE);
    return {
      see: async (frame) => {
        changes.see(frame);
        if (last) neighbours.push(await magnitude(last, frame));
        first ??= frame;
        last = frame;
      },
      result: async () => {
        const score = changes.result();
        const long = [await magnitude(first!, last!), await magnitude(last!, first!)];
        return isStill(neighbours, long, video.height, video.width) ? { score, weight: 1 } : null;
      },
    };
  };
}

/**
 * Motion smoothness: every other frame is made anew from its neighbours by AMT-S and compared with itself,
 * (255 - mean |difference|) / 255 on 8 bits; what is made is cut off, not rounded, to whole numbers.
 *
 * @throws (from the measure) RangeError with fewer than three frames, or frames below 128 pixels.
 * Source: VBench vbench/motion_smoothness.py.
 */
export function motionSmoothness(amt: Part<AmtConfig>): Measure<DimensionValue> {
  return (video) => {
    const differences: number[] = [];
    let seen: Uint8Array[] = [];
    return {
      see: async (frame) => {
        seen.push(frame);
        if (seen.length < 3) return;
        differences.push(await midpointDifference(amt, video, seen as [Uint8Array, Uint8Array, Uint8Array]));
        seen = [frame];
      },
      result: () => {
        if (differences.length > 0) return { score: (255 - mean(differences)) / 255, weight: 1 };
        throw new RangeError(`motionSmoothness: wanted three frames or more, received ${seen.length}`);
      },
    };
  };
}

async function midpointDifference(
  net: Part<AmtConfig>,
  video: VideoShape,
  [first, middle, last]: readonly [Uint8Array, Uint8Array, Uint8Array],
): Promise<number> {
  const { height, width } = video;
  const { top, left } = paddingTo(amtStride, height, width);
  const difference = tf.tidy(() => {
    const [before, after] = [first, last].map((frame) => tf.div(paddedFrame(frame, video, amtStride), 255));
    const between = tf.slice(amtMidpoint(net, before!, after!), [0, top, left, 0], [1, height, width, 3]);
    const bytes = tf.floor(tf.clipByValue(tf.mul(between, 255), 0, 255));
    return tf.mean(tf.mean(tf.abs(tf.sub(bytes, byteFrames([middle], video))), [2, 3]));
  });
  const [value] = await difference.data<'float32'>();
  difference.dispose();
  return value!;
}
