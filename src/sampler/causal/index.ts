export * from './rollout.ts';
export * from './self-rollout.ts';
export * from './student.ts';
