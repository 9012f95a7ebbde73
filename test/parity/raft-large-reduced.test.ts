/** Parity of the large RAFT with torchvision's, at fewer channels. */
import { raftParity } from './raft.ts';

raftParity('raft-large-reduced', { largest: 1e-3, median: 1e-5 });
