/** What other layers use of the model layer beside a single folder: everything by its full name. */
export * from './amt/index.ts';
export * from './blip/index.ts';
export * from './checkpoint/index.ts';
export * from './clip/index.ts';
export * from './dino/index.ts';
export * from './inspect.ts';
export * from './musiq/index.ts';
export * from './preprocess/index.ts';
export * from './qwen2vl/index.ts';
export * from './raft/index.ts';
export * from './text/index.ts';
export * from './tokenizer/index.ts';
export * from './vae/index.ts';
export * from './viclip/index.ts';
export * from './wan/index.ts';
export * from './wan-folder/index.ts';
