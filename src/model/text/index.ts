export { type TableTextEncoder, type TableTextOptions, tableTextEncoder } from './table.ts';
