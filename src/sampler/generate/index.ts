export * from './generate.ts';
export * from './memory-plan.ts';
export * from './noise.ts';
export * from './pixels.ts';
export * from './request.ts';
