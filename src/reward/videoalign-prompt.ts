/** What VideoAlign is asked: its instruction with a prompt in it, as tokens around the video. */
import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { Tokenizer } from '@huggingface/tokenizers';
import { type Tensor, tf } from '../engine/tf.ts';
import { readJsonObject } from '../io/index.ts';

/** Tokens around the video. */
export type VideoAlignText = {
  /** Ids before the video, int32 [B, P]. */
  readonly before: Tensor;
  /** Ids after it, int32 [B, S], padded on the right. */
  readonly after: Tensor;
  /** 1 for the tokens of `after` that are no padding, int32 [B, S]. */
  readonly mask: Tensor;
};

/** Turns prompts into the tokens around the video. */
export interface VideoAlignPrompts {
  /** SHA-256 of the instruction. */
  readonly templateSha256: string;
  /** Ids of the tokens that visual quality, motion quality and text alignment are read at. */
  readonly specialTokens: readonly number[];
  batch(prompts: readonly string[]): VideoAlignText;
}

/** Pieces of the tokenizer and of the dialogue. */
export interface VideoAlignPromptOptions {
  /** In the order visual quality, motion quality, text alignment. @defaultValue `<|VQ_reward|>`, `<|MQ_reward|>`, `<|TA_reward|>` */
  readonly specialTokens?: readonly string[];
  /** Fills short rows up. @defaultValue '<|endoftext|>' */
  readonly padding?: string;
  /** Tokens after the video of every row. @defaultValue the length of the batch's longest row */
  readonly textLength?: number;
}

const defaultTokens = ['<|VQ_reward|>', '<|MQ_reward|>', '<|TA_reward|>'] as const;
const slot = '{text_prompt}';
const beforeVideo = '<|im_start|>system\nYou are a helpful assistant.<|im_end|>\n<|im_start|>user\n<|vision_start|>';
const afterVideo = (instruction: string): string => `<|vision_end|>${instruction}<|im_end|>\n<|im_start|>assistant\n`;

/**
 * VideoAlign's prompts from the `tokenizer.json` of Qwen2-VL and an instruction. Special tokens that the tokenizer
 * lacks are added at its end, as the reference does.
 *
 * @param tokenizerPath - `tokenizer.json`
 * @param template - an instruction with `{text_prompt}` in it, from {@link readVideoAlignTemplate}
 * @throws Error if the template has no place for the prompt or not each special token once.
 */
export async function openVideoAlignPrompts(
  tokenizerPath: string,
  template: string,
  options: VideoAlignPromptOptions = {},
): Promise<VideoAlignPrompts> {
  const { specialTokens = defaultTokens, padding = '<|endoftext|>', textLength } = options;
  checkTemplate(template, specialTokens);
  const json = withTokens(await readTokenizer(tokenizerPath), specialTokens);
  const tokenizer = new Tokenizer(json, {});
  const encode = (text: string): number[] => tokenizer.encode(text, { add_special_tokens: false }).ids;
  const special = specialTokens.map((token) => tokenId(json, token));
  const fill = tokenId(json, padding);
  const lead = encode(beforeVideo);
  return {
    specialTokens: special,
    templateSha256: createHash('sha256').update(template).digest('hex'),
    batch: (prompts) => {
      const rows = prompts.map((prompt) => encode(afterVideo(template.split(slot).join(prompt))));
      for (const [i, row] of rows.entries()) checkRow(prompts[i]!, row, special, textLength);
      const length = textLength ?? Math.max(...rows.map((row) => row.length));
      return {
        before: matrix(rows.map(() => lead)),
        after: matrix(rows.map((row) => padded(row, length, fill))),
        mask: matrix(rows.map(({ length: own }) => padded(new Array<number>(own).fill(1), length, 0))),
      };
    },
  };
}

interface TokenizerJson extends Readonly<Record<string, unknown>> {
  readonly model: { readonly vocab: Readonly<Record<string, number>> };
  readonly added_tokens: readonly { readonly id: number; readonly content: string }[];
}

async function readTokenizer(path: string): Promise<TokenizerJson> {
  const json: Partial<TokenizerJson> = await readJsonObject(path);
  if (json.model?.vocab && Array.isArray(json.added_tokens)) return json as TokenizerJson;
  throw new Error(`${path} has no model.vocab and added_tokens; wanted the tokenizer.json of Qwen2-VL`);
}

/** The tokenizer with tokens appended after its last id. */
function withTokens(json: TokenizerJson, tokens: readonly string[]): TokenizerJson {
  const missing = tokens.filter((token) => findId(json, token) === undefined);
  let last = json.added_tokens.reduce((most, { id }) => Math.max(most, id), -1);
  for (const id of Object.values(json.model.vocab)) last = Math.max(last, id);
  const flags = { special: true, normalized: false, lstrip: false, rstrip: false, single_word: false };
  const added = missing.map((content, i) => ({ id: last + 1 + i, content, ...flags }));
  return { ...json, added_tokens: [...json.added_tokens, ...added] };
}

function findId({ added_tokens, model }: TokenizerJson, token: string): number | undefined {
  return added_tokens.find(({ content }) => content === token)?.id ?? model.vocab[token];
}

function tokenId(json: TokenizerJson, token: string): number {
  const id = findId(json, token);
  if (id === undefined) throw new Error(`the tokenizer has no token "${token}"; wanted the tokenizer.json of Qwen2-VL`);
  return id;
}

function checkTemplate(template: string, specialTokens: readonly string[]): void {
  for (const part of [slot, ...specialTokens]) {
    const count = template.split(part).length - 1;
    if (count !== 1) throw new Error(`template: "${part}" occurs ${count} times; wanted it once`);
  }
}

function checkRow(prompt: string, row: readonly number[], special: readonly number[], textLength?: number): void {
  const name = JSON.stringify(prompt.slice(0, 60));
  if (textLength !== undefined && row.length > textLength) {
    throw new RangeError(`prompt ${name} needs ${row.length} tokens after the video; textLength is ${textLength}`);
  }
  if (row.filter((id) => special.includes(id)).length !== special.length) {
    throw new Error(`prompt ${name} holds one of VideoAlign's special tokens; wanted plain text`);
  }
}

function padded(row: readonly number[], length: number, fill: number): number[] {
  return [...row, ...Array.from({ length: length - row.length }, () => fill)];
}

function matrix(rows: readonly (readonly number[])[]): Tensor {
  return tf.tensor2d(Int32Array.from(rows.flat()), [rows.length, rows[0]?.length ?? 0], 'int32');
}

/** First digits of the SHA-256 of the instruction that the released checkpoint was trained with. */
const TEMPLATE_HASH = 'fdb6309bac618dd0';

/**
 * VideoAlign's instruction (`detailed_special`) from a copy of its `prompt_template.py`; the text is checked by hash.
 *
 * @throws Error if the file does not hold it.
 * Source: VideoAlign prompt_template.py.
 */
export async function readVideoAlignTemplate(path: string): Promise<string> {
  const parts = (await readFile(path, 'utf8')).replaceAll('\r\n', '\n').split('"""');
  const found = parts.find((text) => createHash('sha256').update(text).digest('hex').startsWith(TEMPLATE_HASH));
  if (found !== undefined) return found;
  throw new Error(
    `${path}: no text has SHA-256 ${TEMPLATE_HASH}...; wanted prompt_template.py of VideoAlign, unchanged`,
  );
}
