/** Captions as the context of a diffusion model at the small scale: a fixed table of words. */
import { type Tensor, tf } from '../../engine/tf.ts';
import { type Key, Weights } from '../../nn/index.ts';
import { normal } from '../../nn/internal.ts';

/** Turns prompts into what networks attend to: the one contract of samplers and training. */
export interface TextEncoder {
  /** Text states [B, n, D] of prompts, those after a shorter prompt's end zero; the receiver disposes of them. */
  encode(prompts: readonly string[]): Tensor | Promise<Tensor>;
  /** Tells encoders apart in the records of runs. */
  readonly id?: string;
}

/** What the table encoder of the small scale is made from. */
export interface TableTextOptions {
  /** The words that captions may use; each has a row of the table. */
  readonly vocabulary: readonly string[];
  /** Width of a row. */
  readonly textDim: number;
  /** Rows of every context; captions with fewer words are padded with zero rows. */
  readonly textLen: number;
  /** Draws the rows. */
  readonly key: Key;
}

/** A fixed table with one row per word, in the place of a text encoder; an empty caption gives zero rows. */
export interface TableTextEncoder {
  readonly textDim: number;
  /** Rows of every context; those beyond a caption's tokens are zero. */
  readonly textLen: number;
  /** Context rows [B, textLen, textDim]. */
  encode(captions: readonly string[]): Tensor;
  /** `token_embedding.weight` [vocabulary, textDim]. Owned by the encoder: `weights.dispose()` releases it. */
  readonly weights: Weights;
}

/**
 * Makes the small scale's text encoder: words looked up in a table of normal numbers that is drawn once and not
 * trained; the diffusion model's own text embedding learns from there.
 *
 * @throws RangeError if a word occurs twice in the vocabulary.
 * @example
 * const text = tableTextEncoder({ vocabulary, textDim: 64, textLen: 12, key: random.key('text') });
 * const context = text.encode(['a red digit three moves left slowly']); // [1, 12, 64]
 */
export function tableTextEncoder(options: TableTextOptions): TableTextEncoder {
  const { vocabulary, textDim, textLen, key } = options;
  const ids = new Map(vocabulary.map((word, id) => [word, id]));
  if (ids.size !== vocabulary.length) throw new RangeError('vocabulary holds a word twice; give each word once');
  const rows = normal(1)(key.stream('token_embedding.weight'), [vocabulary.length, textDim]);
  const weights = Weights.from([['token_embedding.weight', rows]], { trainable: false });
  return {
    weights,
    textDim,
    textLen,
    encode: (captions) =>
      tf.tidy(() => {
        const chosen = selection(captions, ids, textLen); // [B·L, V]
        const context = tf.matMul(chosen, weights.get('token_embedding.weight'));
        return context.reshape([captions.length, textLen, textDim]);
      }),
  };
}

/** One row per place of a caption, 1 in the column of its word; padding rows are zero. [B·L, V] */
function selection(captions: readonly string[], ids: ReadonlyMap<string, number>, textLen: number): Tensor {
  const chosen = new Float32Array(captions.length * textLen * ids.size);
  for (const [b, caption] of captions.entries()) {
    for (const [l, id] of wordIds(caption, ids, textLen).entries()) chosen[(b * textLen + l) * ids.size + id] = 1;
  }
  return tf.tensor2d(chosen, [captions.length * textLen, ids.size]);
}

function wordIds(caption: string, ids: ReadonlyMap<string, number>, textLen: number): number[] {
  const words = caption.toLowerCase().split(/\s+/).filter(Boolean);
  if (words.length > textLen) {
    throw new RangeError(`caption "${caption}" has ${words.length} words, textLen is ${textLen}: raise textLen`);
  }
  return words.map((word) => {
    const id = ids.get(word);
    if (id === undefined) {
      throw new RangeError(`"${word}" in caption "${caption}" is not in the vocabulary: ${[...ids.keys()].join(' ')}`);
    }
    return id;
  });
}
