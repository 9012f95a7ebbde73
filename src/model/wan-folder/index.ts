export { findWanFiles, type WanFiles, wanDownload } from './files.ts';
export { describeWan, type OpenedWan, type OpenWanOptions, openWan, type WanDescription } from './open-wan.ts';
export { type RandomWanOptions, writeRandomWan } from './random-wan.ts';
export {
  type BlockPlace,
  type OpenedTransformer,
  openWanTransformer,
  type WanTransformerOptions,
} from './transformer.ts';
