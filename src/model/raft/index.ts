export { type RaftConfig, type RaftConfigFile, raftConfig, raftPresets } from './config.ts';
export { correlationPyramid, lookUp } from './correlation.ts';
export { raftClipFlow, raftEstimator, raftFramesFlow } from './flow.ts';
export { raft, raftForward } from './forward.ts';
export { raftShapes } from './weights.ts';
