export * from './generate.ts';
export * from './generate-causal.ts';
export * from './request.ts';
