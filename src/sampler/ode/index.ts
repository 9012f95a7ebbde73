export * from './flow-match-scheduler.ts';
export * from './multistep.ts';
export * from './parameterisation.ts';
export * from './schedule.ts';
export * from './solver.ts';
export * from './solvers.ts';
export * from './text-velocity.ts';
