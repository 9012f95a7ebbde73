export * from './affine.ts';
export * from './heads.ts';
export * from './instance-norm.ts';
export * from './quick-gelu.ts';
