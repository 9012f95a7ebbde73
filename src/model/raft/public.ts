/** `model.raft`: optical flow by RAFT. */
import { raft } from './forward.ts';

export { type RaftConfig as Config, raftConfig as config } from './config.ts';
export {
  type FlowFrame,
  type RaftFlow as Flow,
  raftClipFlow as clipFlow,
  raftEstimator as estimator,
  raftFramesFlow as framesFlow,
} from './flow.ts';
export { type RaftOptions as Options, raftForward as forward } from './forward.ts';

/** Configurations by their published names. */
export const presets: typeof raft.presets = raft.presets;
/** Shape of every weight by its official name. */
export const shapes: typeof raft.shapes = raft.shapes;
/** A net from the tensors of a checkpoint in any published naming. */
export const load: typeof raft.load = raft.load;
/** The record itself, for what takes any architecture. */
export { raft as architecture };
