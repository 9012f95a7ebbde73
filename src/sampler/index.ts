export * from './euler.ts';
export * from './few-step.ts';
export * from './guidance.ts';
export * from './multistep.ts';
export * from './noise-table.ts';
export * from './parameterisation.ts';
export * from './schedule.ts';
export type { Sampler, SamplerOptions, SamplerStep, Velocity } from './solver.ts';
