/** `model.raft`: optical flow by RAFT. */
import { raft } from './raft.ts';

export {
  type FlowFrame,
  type RaftFlow as Flow,
  type RaftOptions as Options,
  raft as architecture,
  raftEstimator as estimator,
  raftForward as forward,
} from './raft.ts';
export { type RaftConfig as Config, raftPresets as presets, raftShapes as shapes } from './weights.ts';
/** A net from the tensors of a checkpoint in any published naming. */
export const load: typeof raft.load = raft.load;
