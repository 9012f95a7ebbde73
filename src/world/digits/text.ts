import type { Tensor } from '../../engine/tf.ts';
import { type TableTextEncoder, tableTextEncoder } from '../../model/text/index.ts';
import { random } from '../../nn/index.ts';
import { type Recipe, vocabulary } from '../../study/networks/recipe.ts';

/** Text states by prompts, from a table that is made when first asked for. */
export interface StudyText {
  encode(prompts: readonly string[]): Tensor;
  /** Releases the table; the next call makes the same one anew. */
  dispose(): void;
}

/** Text states of captions: the fixed table of the recipe's seed. */
export function textEncoder({ seed, text }: Recipe): StudyText {
  let table: TableTextEncoder | null = null;
  return {
    encode: (prompts) => {
      table ??= tableTextEncoder({ ...text, vocabulary, key: random.key(seed).stream('text') });
      return table.encode(prompts);
    },
    dispose: () => {
      table?.weights.dispose();
      table = null;
    },
  };
}
