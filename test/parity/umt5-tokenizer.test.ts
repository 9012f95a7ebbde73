/** Cleaning and token ids are those of the reference, text by text. */
import { beforeAll, describe, expect, test } from 'vitest';
import { use } from '../../src/engine/index.ts';
import type { PromptTokenizer } from '../../src/model/internal.ts';
import { cleanPrompt } from '../../src/model/text/clean-text.ts';
import { openTokenizer } from '../../src/model/tokenizer/tokenizer.ts';
import { fixture } from './fixtures.ts';

interface Case {
  text: string;
  cleaned: string;
  ids: number[];
  ids_padded: number[];
  mask: number[];
  ids_uncleaned: number[];
}

const files = fixture('umt5-tokenizer');
const { cases, max_length } = files.json<{ cases: Case[]; max_length: number }>('cases.json');
let tokenizer: PromptTokenizer;

beforeAll(async () => {
  await use('cpu');
  tokenizer = await openTokenizer(files.path('tokenizer.json'));
});

describe.each(cases.map((entry) => [JSON.stringify(entry.text).slice(0, 60), entry] as const))('%s', (_, entry) => {
  test('cleaned', () => expect(cleanPrompt(entry.text)).toBe(entry.cleaned));
  test('ids', () => expect(tokenizer.encode(entry.cleaned)).toEqual(entry.ids));
  test('ids without cleaning', () => expect(tokenizer.encode(entry.text)).toEqual(entry.ids_uncleaned));
});

test('batches are cut and padded as the reference does', () => {
  const { ids, mask } = tokenizer.batch(
    cases.map((entry) => entry.cleaned),
    max_length,
  );
  expect([ids.dtype, mask.dtype]).toEqual(['int32', 'int32']);
  expect(ids.arraySync()).toEqual(cases.map((entry) => entry.ids_padded));
  expect(mask.arraySync()).toEqual(cases.map((entry) => entry.mask));
});
