import { type Tensor, tf } from '../../engine/tf.ts';
import type { Part } from '../../nn/index.ts';
import type { LayerTap } from './block.ts';
import { boundedAttention } from './bounded-attention.ts';
import type { WanConfig } from './config.ts';
import { embedPatches } from './embedding.ts';
import { type Pass, runBlocks, runHead, timeOf, type WanInput } from './pass.ts';
import { tokenGrid, unpatchify } from './patches.ts';
import { type Rope, ropeOf } from './rope.ts';
import { textSource } from './text-cache.ts';

/** Options of {@link wanForward}. */
export interface WanForwardOptions {
  /**
   * Pads the tokens to this number and hides the padding from attention: the result is the same, and clips of several
   * sizes share one compiled step. One timestep for each sample then, none for each frame.
   */
  seqLen?: number;
  /** Sees intermediate outputs by name. */
  onLayer?: LayerTap;
}

/**
 * Velocity v = noise - x0 that a bidirectional Wan transformer predicts.
 * Source: Wan2.1 wan/modules/model.py (`WanModel.forward`).
 *
 * @param input x [B, F, H, W, in_dim], t in 0..1000, context [B, n <= text_len, text_dim]
 * @returns [B, F, H, W, out_dim]
 * @throws RangeError if a shape does not fit the configuration.
 * @example
 * const velocity = wanForward(weights, config, { x, t: 937.5, context });
 */
export function wanForward(
  net: Part<WanConfig>,
  { x, t, context }: WanInput,
  { seqLen, onLayer }: WanForwardOptions = {},
): Tensor {
  const { config } = net;
  const grid = tokenGrid(config, x);
  const length = grid[0] * grid[1] * grid[2];
  return tf.tidy(() => {
    const time = timeOf(net, t, x.shape[0]!, seqLen === undefined ? grid[0] : 1);
    const padding = paddingOf(length, seqLen);
    const mask = padding > 0 ? keyMask(length, padding) : null;
    const pass: Pass = {
      tokens: padRows(embedPatches(net, x), padding),
      time,
      rope: padRope(ropeOf(config, grid), padding),
      attend:
        () =>
        (q, { k, v }) =>
          boundedAttention(q, k, v, { mask }),
      text: textSource(net, context, x.shape[0]!),
      onLayer,
    };
    const y = runHead(net, runBlocks(net, pass), time.e);
    onLayer?.('head', y);
    return unpatchify(config, padding > 0 ? tf.slice(y, [0, 0, 0], [-1, length, -1]) : y, grid);
  });
}

function paddingOf(length: number, seqLen: number = length): number {
  if (Number.isInteger(seqLen) && seqLen >= length) return seqLen - length;
  throw new RangeError(`seqLen: wanted a whole number of at least ${length} tokens, received ${seqLen}`);
}

/** 1 for the first `length` keys, 0 for the padding: [1, L]. */
function keyMask(length: number, padding: number): Tensor {
  const keys = new Uint8Array(length + padding).fill(1, 0, length);
  return tf.tensor2d(keys, [1, length + padding], 'bool');
}

function padRows(tokens: Tensor, padding: number): Tensor {
  if (padding === 0) return tokens;
  return tf.pad(tokens, [
    [0, 0],
    [0, padding],
    [0, 0],
  ]);
}

/** Padding is turned by no angle. */
function padRope({ cos, sin }: Rope, padding: number): Rope {
  if (padding === 0) return { cos, sin };
  const rows: [number, number][] = [
    [0, padding],
    [0, 0],
  ];
  return { cos: tf.pad(cos, rows, 1), sin: tf.pad(sin, rows) };
}
