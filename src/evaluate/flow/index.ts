export { clipFlow, type FlowEstimator } from './clip-flow.ts';
export { compareFlows, type FlowComparison } from './compare.ts';
export { type Flow, type LucasKanadeOptions, lucasKanade, warp } from './lucas-kanade.ts';
export { luma, type Plane } from './plane.ts';
