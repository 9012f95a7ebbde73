import { type Tensor, tf } from '../../engine/tf.ts';
import {
  createCache,
  createCrossAttnCache,
  disposeCache,
  disposeCrossAttnCache,
  type KvCache,
  tokenGrid,
  type WanConfig,
  wanCachedForward,
} from '../../model/wan/index.ts';
import type { Part } from '../../nn/index.ts';
import type { CausalStudent } from './causal-student.ts';

/** A causal student that holds the keys and values of its prompts until it is disposed. */
export interface WanStudent extends CausalStudent<KvCache> {
  dispose(): void;
}

/**
 * A causal Wan transformer bound to the prompts of one batch, for rollouts.
 * The text's keys and values are computed here, once, and used by all passes without gradient; passes with gradient
 * compute them anew, so that the text layers learn. Make a new student after a weight update.
 *
 * @param context text embeddings [B, n <= text_len, text_dim]
 */
export function wanStudent(net: Part<WanConfig>, context: Tensor): WanStudent {
  const { config } = net;
  const text = createCrossAttnCache(net, context);
  const pass = (x: Tensor, t: number, cache: KvCache, source: Tensor | typeof text = text) =>
    wanCachedForward(net, { x, t, context: source }, cache);
  return {
    blocks: {
      framesPerBlock: config.num_frame_per_block * config.patch_size[0],
      independentFirstFrame: config.independent_first_frame,
    },
    emptyCache: (video) => {
      const [, height, width] = tokenGrid(config, video);
      return createCache(config, height * width);
    },
    velocity: (x, t, cache, { gradient = false } = {}) =>
      tf.tidy(() => pass(x, t, cache, gradient ? context : text).velocity),
    remember: (x0, t, cache) => {
      const { velocity, cache: next } = pass(x0, t, cache);
      velocity.dispose();
      disposeCache(cache);
      return next;
    },
    release: disposeCache,
    dispose: () => disposeCrossAttnCache(text),
  };
}
