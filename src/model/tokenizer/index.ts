export { openTokenizer, type PromptTokenizer } from './unigram.ts';
export {
  type ClipTokenizer,
  openClipTokenizer,
  openWordPiece,
  type TokenBatch,
  type WordPieceTokenizer,
} from './word-pieces.ts';
