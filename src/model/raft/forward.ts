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
  type ValueTap,
} from '../../nn/index.ts';
import { sameShape } from '../../nn/internal.ts';
import { type RaftConfig, raftPresets } from './config.ts';
import { correlationPyramid, lookUp } from './correlation.ts';
import { encodeImage, updateStep, upsampleBilinear, upsampleConvex, upsamplingMask } from './modules.ts';
import { raftNames, raftShapes } from './weights.ts';

/**
 * How RAFT runs. Seen are `feature_encoder` (of the first image), `context`, and for each step i
 * `step.i.correlations`, `step.i.flow` (coarse) and, where something listens, `step.i.upsampled`.
 */
export interface RaftOptions extends Tapped {
  /** Refinement steps; VBench uses 20. @defaultValue 12 */
  readonly iterations?: number;
}

/** Both sides of images are multiples of this many pixels. */
export const raftStride = 8;

/**
 * Flow from the first images to the second: [B, H, W, 2] in pixels as (right, down). A gradient flows to both images
 * and to the weights; as in the original, not through the places where correlations are looked up.
 *
 * @param first - [B, H, W, 3] in [-1, 1], H and W multiples of 8
 * @param second - as `first`
 * @throws RangeError for other shapes, images too small for the coarsest level, or no step.
 */
export function raftForward(
  net: Part<RaftConfig>,
  first: Tensor,
  second: Tensor,
  { iterations = 12, onValue }: RaftOptions = {},
): Tensor {
  const { config } = net;
  checkImages(config, first, second);
  if (!Number.isInteger(iterations) || iterations < 1) {
    throw new RangeError(`iterations is ${iterations}; wanted an integer of 1 or more`);
  }
  return tf.tidy(() => {
    const pair = encodePair(net, first, second, onValue);
    const start = pixelGrid(pair.hidden.shape);
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
interface RefinementState {
  readonly hidden: Tensor;
  readonly places: Tensor;
}

/** What stays the same: correlations of all pairs, and the context. */
interface EncodedPair extends Pick<RefinementState, 'hidden'> {
  readonly levels: readonly Tensor[];
  readonly context: Tensor;
}

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

/** Places (x, y) of all pixels: [B, h, w, 2]. */
function pixelGrid([batch, h, w]: readonly number[]): Tensor {
  const data = Float32Array.from({ length: h! * w! * 2 }, (_, i) => {
    const pixel = i >> 1;
    return i % 2 === 0 ? pixel % w! : Math.floor(pixel / w!);
  });
  return tf.tile(tf.tensor4d(data, [1, h!, w!, 2]), [batch!, 1, 1, 1]);
}

function checkImages({ corr_block_num_levels }: RaftConfig, first: Tensor, second: Tensor): void {
  const [, height, width, channels] = first.shape;
  const smallest = raftStride * 2 ** corr_block_num_levels;
  const whole = first.rank === 4 && channels === 3 && height! % raftStride === 0 && width! % raftStride === 0;
  if (whole && Math.min(height!, width!) >= smallest && sameShape(first.shape, second.shape)) return;
  throw new RangeError(
    `images have shapes [${first.shape}] and [${second.shape}]; wanted equal [B, H, W, 3] with H and W multiples ` +
      `of ${raftStride}, ${smallest} or more (pad or enlarge them)`,
  );
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
