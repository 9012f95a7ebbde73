export * from './gradient.ts';
export * from './host.ts';
export * from './init.ts';
export * from './load.ts';
export * from './net.ts';
export * from './random.ts';
export * from './shapes.ts';
export * from './weights.ts';
