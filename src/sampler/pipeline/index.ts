export * from './clip-of.ts';
export * from './generate.ts';
export * from './generate-causal.ts';
export * from './memory-plan.ts';
export * from './request.ts';
