export { describeWan, type OpenedWan, type OpenWanOptions, openWan, type WanDescription } from './open-wan.ts';
export { type RandomWanOptions, writeRandomWan } from './random-wan.ts';
export {
  type BlockPlace,
  openWanTransformer,
} from './transformer.ts';
