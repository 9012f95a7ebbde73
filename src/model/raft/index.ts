export { type RaftConfig, type RaftConfigFile, raftConfig, raftPresets } from './config.ts';
export { correlationPyramid, lookUp } from './correlation.ts';
export { type FlowFrame, type RaftFlow, raftClipFlow, raftEstimator, raftFramesFlow } from './flow.ts';
export { type RaftOptions, raft, raftForward } from './forward.ts';
export { raftNames, raftShapes, raftTorchvisionName } from './weights.ts';
