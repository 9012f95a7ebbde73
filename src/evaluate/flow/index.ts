export { compareFlows, type FlowComparison } from './compare.ts';
export { clipFlow, type Flow, type FlowEstimator, type LucasKanadeOptions, lucasKanade, warp } from './lucas-kanade.ts';
export { blur, channel, gaussianTaps, luma, lumaAt, type Plane, sample } from './plane.ts';
