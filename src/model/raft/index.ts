export { type RaftConfig, type RaftConfigFile, raftConfig, raftPresets } from './config.ts';
export { type FlowFrame, type RaftFlow, raftClipFlow, raftEstimator, raftFramesFlow } from './flow.ts';
export { type RaftOptions, raftForward } from './forward.ts';
export { raft, raftNames, raftShapes, raftTorchvisionName } from './weights.ts';
