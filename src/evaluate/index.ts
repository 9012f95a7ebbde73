export * from './diagnostics/index.ts';
export * from './distance/index.ts';
export * from './flow/index.ts';
export * from './motion/index.ts';
export * from './run/index.ts';
export * from './statistics/index.ts';
export * from './vbench/index.ts';
