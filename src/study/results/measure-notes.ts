import type { MeasureName } from './measure.ts';

/** What a measure is called, what it says, and what it is computed with. */
export interface MeasureNote {
  label: string;
  meaning: string;
  /** How it is computed: stored with the results, since names alone do not fix a number. */
  variant: string;
}

/** Notes to every measure, in the order of tables. */
export const MEASURE_NOTES: Readonly<Record<MeasureName, MeasureNote>> = {
  digit: {
    label: 'digit right',
    meaning: 'share of clips that show the digit of the prompt',
    variant: 'small convolutional classifier on the middle frame',
  },
  colour: {
    label: 'colour right',
    meaning: 'share of clips in the colour of the prompt',
    variant: 'nearest of six by mean hue of lit pixels',
  },
  direction: {
    label: 'direction right',
    meaning: 'share of clips that move as the prompt says',
    variant: 'larger component of the displacement of the intensity-weighted centroid',
  },
  speed: {
    label: 'speed right',
    meaning: 'share of clips as fast as the prompt says',
    variant: 'nearest of 1 and 2 px a frame; still clips count as wrong',
  },
  dynamicDegree: {
    label: 'dynamic degree',
    meaning: 'share of clips that move at all',
    variant: "VBench's rule (frame rate, threshold and count scaled to the clip) on Lucas-Kanade flow instead of RAFT",
  },
  pxPerFrame: {
    label: 'speed, px a frame',
    meaning: 'how fast the digit moves; real clips move by 1 or 2',
    variant: 'mean displacement of the intensity-weighted centroid between frames',
  },
  flicker: {
    label: 'steadiness',
    meaning: '1 for a frozen picture, less the more it changes from frame to frame',
    variant: 'VBench temporal_flickering: (255 - mean absolute difference of frames) / 255',
  },
  reward: {
    label: 'reward, last frame',
    meaning: 'what phase 2 climbs, in standard deviations of real and damaged pictures',
    variant: 'small preference reward on the last frame',
  },
  judge: {
    label: 'second judge, last frame',
    meaning: 'a reward that was never trained on: a gain here is not mere fooling of the first',
    variant: 'small preference reward of another seed and stem on the last frame',
  },
  rewardAllFrames: {
    label: 'reward, all frames',
    meaning: 'whether the whole clip gains or only its last frame',
    variant: 'small preference reward, mean over frames',
  },
};
