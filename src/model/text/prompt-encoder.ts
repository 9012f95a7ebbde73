import { type Tensor, tf } from '../../engine/tf.ts';
import type { Weights } from '../../nn/index.ts';
import { cleanPrompt } from './clean-text.ts';
import type { PromptTokenizer } from './tokenizer.ts';
import { umt5Encode } from './umt5.ts';
import type { Umt5Config } from './umt5-config.ts';

/** Turns captions into the context that a diffusion model attends to, at every scale. */
export interface PromptEncoder {
  /** Width of a row. */
  readonly textDim: number;
  /** Rows of every context; those beyond a caption's tokens are zero. */
  readonly textLen: number;
  /** Context rows [B, textLen, textDim]. */
  encode(captions: readonly string[]): Tensor;
}

/** What {@link umt5PromptEncoder} is made from. */
export interface Umt5PromptOptions {
  /** Weights under official names; they stay the caller's. */
  readonly weights: Weights;
  readonly config: Umt5Config;
  readonly tokenizer: PromptTokenizer;
  /** Tokens of every context (default 512, as Wan2.1). */
  readonly textLen?: number;
}

/**
 * The text encoder of Wan2.1: cleans captions, tokenises them, encodes all rows and zeroes those of padding, which is
 * what cutting them off and padding again amounts to. Source: Self-Forcing utils/wan_wrapper.py (`WanTextEncoder`).
 */
export function umt5PromptEncoder({ weights, config, tokenizer, textLen = 512 }: Umt5PromptOptions): PromptEncoder {
  return {
    textDim: config.dim,
    textLen,
    encode: (captions) =>
      tf.tidy(() => {
        const tokens = tokenizer.batch(captions.map(cleanPrompt), textLen);
        return zeroPadding(umt5Encode({ weights, config }, tokens), tokens.mask);
      }),
  };
}

/** Rows [B, L, D] with those of padding set to zero; mask int32 [B, L]. */
export function zeroPadding(rows: Tensor, mask: Tensor): Tensor {
  return tf.mul(rows, tf.expandDims(tf.cast(mask, 'float32'), 2));
}
