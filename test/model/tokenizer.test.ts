/** From captions to tokens with a hand-made unigram model. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, expect, test } from 'vitest';
import { use } from '../../src/engine/index.ts';
import type { PromptTokenizer } from '../../src/model/internal.ts';
import { openTokenizer } from '../../src/model/tokenizer/tokenizer.ts';
import { testFolder } from '../folder.ts';

await use('cpu');

const pieces = ['<pad>', '</s>', '<unk>', '▁', '▁a', '▁cat', '▁runs', 's', 't'];
const bytes = Array.from({ length: 256 }, (_, byte) => `<0x${byte.toString(16).toUpperCase().padStart(2, '0')}>`);
const vocabulary = [...pieces, ...bytes];
const token = (id: number) => ({
  id,
  content: pieces[id],
  special: true,
  normalized: false,
  lstrip: false,
  rstrip: false,
});
const json = {
  added_tokens: [token(0), token(1), token(2)],
  normalizer: null,
  pre_tokenizer: { type: 'Metaspace', replacement: '▁', prepend_scheme: 'always', split: true },
  post_processor: {
    type: 'TemplateProcessing',
    single: [{ Sequence: { id: 'A', type_id: 0 } }, { SpecialToken: { id: '</s>', type_id: 0 } }],
    pair: [],
    special_tokens: { '</s>': { id: '</s>', ids: [1], tokens: ['</s>'] } },
  },
  decoder: null,
  model: {
    type: 'Unigram',
    unk_id: 2,
    byte_fallback: true,
    vocab: vocabulary.map((piece, i) => [piece, i < 9 ? -1 : 0]),
  },
};

const folder = await testFolder('tokenizer');
let tokenizer: PromptTokenizer;

beforeAll(async () => {
  writeFileSync(join(folder, 'tokenizer.json'), JSON.stringify(json));
  tokenizer = await openTokenizer(join(folder, 'tokenizer.json'));
});

test('pieces, then the end token', () => {
  expect(tokenizer.encode('a cat runs')).toEqual([4, 5, 6, 1]);
  expect(tokenizer.encode('')).toEqual([1]);
});

test('characters without a piece become their bytes', () => {
  expect(tokenizer.encode('é').map((id) => vocabulary[id])).toEqual(['▁', '<0xC3>', '<0xA9>', '</s>']);
  expect(tokenizer.encode('<unk>')).toContain(2);
});

test('batches keep the end token when cut, and mask padding', () => {
  const { ids, mask } = tokenizer.batch(['a cat runs', 'a'], 3);
  expect(ids.arraySync()).toEqual([
    [4, 5, 1],
    [4, 1, 0],
  ]);
  expect(mask.arraySync()).toEqual([
    [1, 1, 1],
    [1, 1, 0],
  ]);
});

test('a file of another kind is refused', async () => {
  const path = join(folder, 'bpe.json');
  writeFileSync(path, JSON.stringify({ ...json, model: { type: 'BPE' } }));
  await expect(openTokenizer(path)).rejects.toThrow(/model type is BPE; wanted the Unigram model/);
});
