export { type TableTextEncoder, type TableTextOptions, tableTextEncoder } from './table.ts';
export { type TokenBatch, type Umt5Tap, umt5Encode } from './umt5.ts';
export { type Umt5Config, umt5OfficialName, umt5Presets, umt5Shapes } from './umt5-config.ts';
