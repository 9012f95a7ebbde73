/** Parity of the small RAFT with torchvision's. */
import { raftParity } from './raft.ts';

// Without norms some inputs of ReLUs lie within float32 rounding of zero: there the original in float32 takes the
// other side than in float64, and single entries of gradients differ by a percent of the largest.
raftParity('raft-small', { largest: 2e-2, median: 1e-5 });
