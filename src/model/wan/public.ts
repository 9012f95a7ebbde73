/** `model.wan`: the transformer of Wan2.1, whole clips at once or block by block. */
import { wan } from './pass.ts';

export {
  causalVisibility,
  type Range,
  teacherForcingVisibility,
  type Visibility,
  visibilityMask,
} from './attention.ts';
export {
  createCache,
  disposeCache,
  type KvCache,
  type WanCachedOptions as CachedOptions,
  type WanCachedResult as CachedResult,
  wanCachedForward as cachedForward,
} from './cached.ts';
export {
  type WanCausalOptions as CausalOptions,
  type WanTeacherForcingInput as TeacherForcingInput,
  wanCausalForward as causalForward,
  wanTeacherForcing as teacherForcing,
} from './causal.ts';
export {
  advisedSampling,
  type WanConfig as Config,
  type WanPreset as Preset,
  wanConfig as config,
  wanPresets as presets,
} from './config.ts';
export {
  type WanForwardOptions as ForwardOptions,
  type WanInput as Input,
  wan as architecture,
  wanForward as forward,
} from './pass.ts';
export type { Timesteps } from './positions.ts';
export {
  type CrossAttnCache,
  createCrossAttnCache,
  type WanContext as Context,
} from './text.ts';
export { wanShapes as shapes } from './weights.ts';
/** A net from the tensors of a checkpoint in any published naming. */
export const load: typeof wan.load = wan.load;
/** A net with fresh weights, drawn from a key. */
export const init: typeof wan.init = wan.init;
