export * from './report.ts';
export * from './warping.ts';
