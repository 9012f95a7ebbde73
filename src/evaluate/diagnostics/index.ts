export * from './checks.ts';
export * from './diagnose.ts';
export * from './evidence.ts';
export * from './pictures.ts';
export * from './reward-signals.ts';
