/** RAFT on frames as the rest of the library holds them. */
import { type Tensor, tf } from '../../engine/tf.ts';
import { type Clip, clipFrame } from '../../io/index.ts';
import { type Part, toSigned } from '../../nn/index.ts';
import type { RaftConfig } from './config.ts';
import { type RaftOptions, raftForward, raftStride } from './forward.ts';

/** A frame, [H, W] grey or [H, W, 3] RGB, in [0, 1]. */
export interface FlowFrame {
  readonly data: Float32Array;
  readonly height: number;
  readonly width: number;
}

/** Displacements from one frame to the next: pixel (x, y) moves to (x + u, y + v), v pointing down. */
export interface RaftFlow {
  /** [H, W] pixels to the right. */
  u: Float32Array;
  /** [H, W] pixels down. */
  v: Float32Array;
  /** [H, W], all 1: RAFT answers everywhere. */
  valid: Uint8Array;
  height: number;
  width: number;
}

/**
 * A flow estimator between two frames. It fits wherever `evaluate` takes one; those callers hand it grey frames, RGB
 * ones ({@link raftClipFlow}) are what RAFT was trained on.
 *
 * @example evaluate.motionReport(clip, { estimate: raftEstimator(weights, raftPresets.raft_large, { iterations: 20 }) })
 */
export function raftEstimator(
  net: Part<RaftConfig>,
  options: RaftOptions = {},
): (first: FlowFrame, second: FlowFrame) => RaftFlow {
  return (first, second) => {
    const flow = tf.tidy(() => raftFramesFlow(net, frameTensor(first), frameTensor(second), options));
    const values = flow.dataSync() as Float32Array;
    flow.dispose();
    return flowField(values, first);
  };
}

/** Flow between neighbouring frames of a clip in colour, one entry per pair. */
export async function raftClipFlow(net: Part<RaftConfig>, clip: Clip, options: RaftOptions = {}): Promise<RaftFlow[]> {
  const { height, width } = clip;
  const frame = (index: number): Tensor => frameTensor({ data: clipFrame(clip, index), height, width });
  const flows: RaftFlow[] = [];
  for (let i = 0; i + 1 < clip.frames; i++) {
    const flow = tf.tidy(() => raftFramesFlow(net, frame(i), frame(i + 1), options));
    flows.push(flowField((await flow.data()) as Float32Array, clip));
    flow.dispose();
  }
  return flows;
}

/**
 * Flow [B, H, W, 2] between frames [B, H, W, 3] in [0, 1] of any size from 128 pixels on: padded to multiples of 8 by
 * repeating the border, half on each side, and cut again. Source: princeton-vl/RAFT core/utils/utils.py
 * (`InputPadder`, mode sintel).
 */
export function raftFramesFlow(
  net: Part<RaftConfig>,
  first: Tensor,
  second: Tensor,
  options: RaftOptions = {},
): Tensor {
  const [batch, height, width] = first.shape as [number, number, number, number];
  const [rows, columns] = [height, width].map((extent) => (raftStride - (extent % raftStride)) % raftStride);
  const [top, left] = [Math.floor(rows! / 2), Math.floor(columns! / 2)];
  return tf.tidy(() => {
    const prepared = (x: Tensor): Tensor => {
      const tall = repeatBorder(x, 1, top, rows! - top);
      return toSigned(repeatBorder(tall, 2, left, columns! - left));
    };
    const flow = raftForward(net, prepared(first), prepared(second), options);
    return tf.slice(flow, [0, top, left, 0], [batch, height, width, 2]);
  });
}

function repeatBorder(x: Tensor, axis: number, before: number, after: number): Tensor {
  if (before + after === 0) return x;
  const length = x.shape[axis]!;
  const indices = Int32Array.from({ length: before + length + after }, (_, i) => {
    return Math.min(Math.max(i - before, 0), length - 1);
  });
  return tf.gather(x, tf.tensor1d(indices, 'int32'), axis);
}

/** A frame as [1, H, W, 3]; grey is repeated for the three channels. */
function frameTensor({ data, height, width }: FlowFrame): Tensor {
  const channels = data.length / (height * width);
  if (channels !== 1 && channels !== 3) {
    throw new RangeError(`data has ${data.length} values for ${height}x${width} pixels; wanted 1 or 3 for each`);
  }
  const frame = tf.tensor4d(data, [1, height, width, channels]);
  return channels === 3 ? frame : tf.tile(frame, [1, 1, 1, 3]);
}

function flowField(values: Float32Array, { height, width }: { height: number; width: number }): RaftFlow {
  const size = height * width;
  const part = (offset: number) => Float32Array.from({ length: size }, (_, i) => values[2 * i + offset]!);
  return { u: part(0), v: part(1), valid: new Uint8Array(size).fill(1), height, width };
}
