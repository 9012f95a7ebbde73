/** Real MNIST digits, coloured and moving over small frames, with captions and known motion. */
export * as digits from './digits/index.ts';
