/**
 * The causal student in training: all frames in one pass, each block with its own noise level, nothing of later
 * blocks visible. Same weights and names as the bidirectional transformer.
 * Source: Self-Forcing wan/modules/causal_model.py (`CausalWanModel._forward_train`).
 */
import { attention } from '../../engine/ops/index.ts';
import { type Tensor, tf } from '../../engine/tf.ts';
import { type Part, type Tapped, toTensor } from '../../nn/index.ts';
import { sameShape } from '../../nn/internal.ts';
import {
  attendByBlocks,
  causalVisibility,
  teacherForcingVisibility,
  type Visibility,
  visibilityMask,
} from './attention.ts';
import type { Attend } from './block.ts';
import type { WanConfig } from './config.ts';
import { embedPatches, embedTime, tokenGrid, unpatchify } from './embedding.ts';
import { passOf, runBlocks, runHead, sinusoidsOf, type WanInput } from './pass.ts';
import { ropeOf, type Timesteps } from './positions.ts';
import { textSource } from './text.ts';

/** Options of the causal training passes. */
export interface WanCausalOptions extends Tapped {
  /**
   * How the mask is applied: one masked attention (`mask`, fastest for few tokens), or one attention for each block
   * without hidden work and without a mask in memory (`blocks`). @defaultValue by the number of tokens
   */
  attention?: 'mask' | 'blocks';
}

/** Up to this many tokens one masked attention is cheaper than several small ones. */
const MASK_TOKENS = 4096;

/**
 * Velocity [B, F, H, W, out_dim] of every frame under the block-causal mask of the configuration (`num_frame_per_block`,
 * `local_attn_size`, `independent_first_frame`); t is one value, [B], or [B, F] per token frame.
 */
export function wanCausalForward(net: Part<WanConfig>, input: WanInput, options: WanCausalOptions = {}): Tensor {
  const { config } = net;
  const grid = tokenGrid(config, input.x);
  return tf.tidy(() => {
    const pass = passOf(net, input, grid[0], options);
    const attend = attendWithin(causalVisibility(config, grid[0]), grid[1] * grid[2], options.attention);
    const hidden = runBlocks(net, { ...pass, rope: ropeOf(config, grid), attend: () => attend });
    return unpatchify(config, runHead(net, hidden, pass.time.e), grid);
  });
}

/** Input of {@link wanTeacherForcing}: beside the noisy frames the clean ones that they continue. */
export interface WanTeacherForcingInput extends WanInput {
  /** Clean latents [B, F, H, W, in_dim]. */
  cleanX: Tensor;
  /** Timesteps of the clean frames, as `t`. @defaultValue 0 */
  cleanT?: Timesteps;
}

/**
 * Velocity [B, F, H, W, out_dim] of noisy frames whose past is clean: [clean | noisy] tokens with the same positions in
 * one pass.
 *
 * @throws RangeError for `independent_first_frame` or `local_attn_size`, which the reference leaves undefined.
 */
export function wanTeacherForcing(
  net: Part<WanConfig>,
  { x, t, context, cleanX, cleanT = 0 }: WanTeacherForcingInput,
  options: WanCausalOptions = {},
): Tensor {
  const { config } = net;
  const grid = tokenGrid(config, x);
  const visibility = teacherForcingVisibility(config, grid[0]);
  if (!sameShape(cleanX.shape, x.shape)) {
    throw new RangeError(`cleanX: wanted the shape of x, [${x.shape}], received [${cleanX.shape}]`);
  }
  return tf.tidy(() => {
    const times = [cleanT, t].map((half) => sinusoidsOf(config, half, x.shape[0]!, grid[0]));
    const halves = [cleanX, x].map((latents) => embedPatches(net, latents));
    const time = embedTime(net, joinTimes(times));
    const { cos, sin } = ropeOf(config, grid);
    const attend = attendWithin(visibility, grid[1] * grid[2], options.attention);
    const hidden = runBlocks(net, {
      tokens: tf.concat(halves, 1),
      time,
      rope: { cos: tf.concat([cos, cos], 0), sin: tf.concat([sin, sin], 0) },
      attend: () => attend,
      text: textSource(net, context, x.shape[0]!),
      onValue: options.onValue,
    });
    return unpatchify(config, runHead(net, secondHalf(hidden), secondHalf(time.e)), grid);
  });
}

function attendWithin(visibility: readonly Visibility[], frameTokens: number, how?: 'mask' | 'blocks'): Attend {
  const last = visibility.at(-1)!.queries.end;
  const method = how ?? (last * frameTokens <= MASK_TOKENS ? 'mask' : 'blocks');
  if (method === 'blocks') return attendByBlocks(visibility, frameTokens);
  const mask = toTensor(visibilityMask(visibility, frameTokens));
  return (q, { k, v }) => attention(q, k, v, { mask });
}

/** Sinusoids [B, 2T, freq_dim] of clean and noisy tokens; both sides are widened to the same B and T. */
function joinTimes(halves: Tensor[]): Tensor {
  const extent = (axis: number) => Math.max(...halves.map((half) => half.shape[axis]!));
  const wide = halves.map((half) => tf.tile(half, [extent(0) / half.shape[0]!, extent(1) / half.shape[1]!, 1]));
  return tf.concat(wide, 1);
}

/** Second half of axis 1. */
function secondHalf(x: Tensor): Tensor {
  return tf.split(x, 2, 1)[1]!;
}
