import { tableTextEncoder } from '../model/text/index.ts';
import { random } from '../nn/index.ts';
import type { EncodeText } from '../train/index.ts';
import { type Recipe, vocabulary } from './recipe.ts';

/** Text states of captions: the fixed table of the recipe's seed. */
export function textEncoder({ seed, text }: Recipe): EncodeText {
  const encoder = tableTextEncoder({ ...text, vocabulary, key: random.key(seed).stream('text') });
  return (prompts) => encoder.encode(prompts);
}
