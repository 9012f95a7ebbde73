/**
 * RAFT: recurrent all-pairs field transforms. Source: Teed and Deng 2020, arXiv 2003.12039; torchvision
 * models/optical_flow/raft.py; princeton-vl/RAFT core/raft.py.
 */
import { type Tensor, tf } from '../../engine/tf.ts';
import {
  type Architecture,
  architecture,
  type Part,
  stopGradient,
  type Tapped,
  toSigned,
  type ValueTap,
} from '../../nn/index.ts';
import { checkPair, correlationPyramid, lookUp, pixelGrid } from './correlation.ts';
import { encodeImage, updateStep, upsampleBilinear, upsampleConvex, upsamplingMask } from './modules.ts';
import { type RaftConfig, raftNames, raftPresets, raftShapes } from './weights.ts';

/**
 * How RAFT runs. Seen are `feature_encoder` (of the first image), `context`, and for each step i
 * `step.i.correlations`, `step.i.flow` (coarse) and, where something listens, `step.i.upsampled`.
 */
export interface RaftOptions extends Tapped {
  /** Refinement steps; VBench uses 20. @defaultValue 12 */
  readonly iterations?: number;
}

const stride = 8;

/**
 * Flow from the first images to the second, [B, H, W, 3] in [-1, 1], H and W multiples of 8: [B, H, W, 2] in pixels as
 * (right, down). A gradient flows to both images and to the weights; as in the original, not through the places where
 * correlations are looked up.
 *
 * @throws RangeError for other shapes, images too small for the coarsest level, or no step.
 */
export function raftForward(
  net: Part<RaftConfig>,
  first: Tensor,
  second: Tensor,
  { iterations = 12, onValue }: RaftOptions = {},
): Tensor {
  checkPair('images', [first, second], stride, net.config.corr_block_num_levels);
  if (!Number.isInteger(iterations) || iterations < 1) {
    throw new RangeError(`iterations is ${iterations}; wanted an integer of 1 or more`);
  }
  return tf.tidy(() => {
    const pair = encodePair(net, first, second, onValue);
    const start = tf.tile(pixelGrid(pair.hidden.shape), [pair.hidden.shape[0]!, 1, 1, 1]);
    let state: RefinementState = { hidden: pair.hidden, places: start };
    for (let i = 0; i < iterations; i++) {
      const onPart = onValue && ((name: string, y: Tensor) => onValue(`step.${i}.${name}`, y));
      state = refine(net, pair, state, start, onPart);
      onPart?.('upsampled', upsampled(net, state, start));
    }
    return upsampled(net, state, start);
  });
}

/** What changes from step to step: the hidden state, and the place in the second image that each pixel goes to. */
type RefinementState = Readonly<Record<'hidden' | 'places', Tensor>>;

/** What stays the same: correlations of all pairs, and the context. */
type EncodedPair = Readonly<Record<'hidden' | 'context', Tensor>> & { readonly levels: readonly Tensor[] };

function refine(
  net: Part<RaftConfig>,
  { levels, context }: EncodedPair,
  state: RefinementState,
  start: Tensor,
  onValue?: ValueTap,
): RefinementState {
  const { weights, config } = net;
  return tf.tidy(() => {
    const places = stopGradient(state.places);
    const correlations = lookUp(levels, places, config.corr_block_radius);
    onValue?.('correlations', correlations);
    const input = { hidden: state.hidden, context, correlations, flow: tf.sub(places, start) };
    const { hidden, change } = updateStep({ weights: weights.at('update_block'), config }, input);
    const next = { hidden, places: tf.add(places, change) };
    onValue?.('flow', tf.sub(next.places, start));
    return next;
  });
}

function upsampled(net: Part<RaftConfig>, state: RefinementState, start: Tensor): Tensor {
  const { weights, config } = net;
  const flow = tf.sub(state.places, start);
  if (config.mask_hidden === null) return upsampleBilinear(flow);
  return upsampleConvex(flow, upsamplingMask(weights.at('mask_predictor'), state.hidden));
}

function encodePair(net: Part<RaftConfig>, first: Tensor, second: Tensor, onValue?: ValueTap): EncodedPair {
  const { weights, config } = net;
  const { encoder_block: block, context_encoder_norm } = config;
  const encoder = weights.at('feature_encoder');
  const features = [first, second].map((images) => encodeImage(encoder, { block, norm: 'instance' }, images));
  const [ofFirst, ofSecond] = features as [Tensor, Tensor];
  onValue?.('feature_encoder', ofFirst);
  const settings = { block, norm: context_encoder_norm };
  const both = encodeImage(weights.at('context_encoder'), settings, first);
  onValue?.('context', both);
  const size = config.recurrent_block_hidden_state_size;
  const [hidden, context] = tf.split(both, [size, both.shape[3]! - size], 3) as [Tensor, Tensor];
  return {
    levels: correlationPyramid(ofFirst, ofSecond, config.corr_block_num_levels),
    hidden: tf.tanh(hidden),
    context: tf.relu(context),
  };
}

/** A frame, [H, W] grey or [H, W, 3] RGB, in [0, 1]. */
export interface FlowFrame {
  readonly data: Float32Array;
  readonly height: number;
  readonly width: number;
}

/** Displacements [H, W] in pixels from one frame to the next: pixel (x, y) moves to (x + u, y + v), v pointing down. */
export interface RaftFlow {
  u: Float32Array;
  v: Float32Array;
  /** [H, W], all 1: RAFT answers everywhere. */
  valid: Uint8Array;
  height: number;
  width: number;
}

/**
 * A flow estimator between two frames, wherever `evaluate` takes one. Grey frames will do; RAFT was trained on RGB.
 *
 * @example evaluate.motionReport(clip, { estimate: model.raft.estimator(net, { iterations: 20 }) })
 */
export function raftEstimator(
  net: Part<RaftConfig>,
  options: RaftOptions = {},
): (first: FlowFrame, second: FlowFrame) => RaftFlow {
  return (first, second) => {
    const flow = tf.tidy(() => raftFramesFlow(net, frameTensor(first), frameTensor(second), options));
    const values = flow.dataSync() as Float32Array;
    flow.dispose();
    const { height, width } = first;
    const size = height * width;
    const part = (offset: number) => Float32Array.from({ length: size }, (_, i) => values[2 * i + offset]!);
    return { u: part(0), v: part(1), valid: new Uint8Array(size).fill(1), height, width };
  };
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
  const [rows, columns] = [height, width].map((extent) => (stride - (extent % stride)) % stride);
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

/**
 * RAFT; loads torchvision's names and the original's (`raft-things.pth`).
 *
 * @example await raft.load(raft.presets.raft_large, (await openPth('raft-things.pth')).entries())
 */
export const raft: Architecture<RaftConfig, typeof raftForward, 'raft_large' | 'raft_small'> = architecture({
  name: 'RAFT',
  presets: raftPresets,
  shapes: raftShapes,
  prefixes: ['model.'],
  officialName: raftNames,
  forward: raftForward,
});
