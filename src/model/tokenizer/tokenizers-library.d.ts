/** The part of the tokenizer library that is used here; its own types do not resolve under `nodenext`. */
declare module '@huggingface/tokenizers' {
  export abstract class Normalizer {
    readonly config: object;
    constructor(config: object);
    abstract normalize(text: string): string;
  }

  export class PrecompiledNormalizer extends Normalizer {
    override readonly config: { readonly precompiled_charsmap: string };
    normalize(text: string): string;
  }

  export class SequenceNormalizer extends Normalizer {
    normalizers: (Normalizer | null)[];
    normalize(text: string): string;
  }

  export class Tokenizer {
    normalizer: Normalizer | null;
    constructor(tokenizer: object, config: object);
    encode(text: string, options?: { add_special_tokens?: boolean }): { ids: number[]; tokens: string[] };
    token_to_id(token: string): number | undefined;
  }
}
