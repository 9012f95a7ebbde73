export { openTokenizer, type PromptTokenizer } from './unigram.ts';
export { type ClipTokenizer, openClipTokenizer, openWordPiece, type WordPieceTokenizer } from './word-pieces.ts';
