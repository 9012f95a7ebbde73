/** Things to look at: the way of a sample from noise to clip, real clips of given prompts, optical flow. */

import { type Tensor, tf } from '../../engine/tf.ts';
import { lucasKanade } from '../../evaluate/index.ts';
import { luma } from '../../evaluate/internal.ts';
import type { Clip } from '../../io/index.ts';
import type { WanConfig } from '../../model/index.ts';
import type { Part } from '../../nn/index.ts';
import { type Key, toTensor } from '../../nn/index.ts';
import { decodeClips, euler, flowSchedule, statesFor, textVelocity } from '../../sampler/index.ts';
import type { FlowField } from '../../show/index.ts';
import * as digits from '../../world/digits/index.ts';
import { clipLatentShape, type SamplingParts, studentSchedule } from '../networks/generate.ts';

/** What the teacher believes the clip to be at falling noise levels. */
export interface CoarseToFine {
  prompt: string;
  /** Noise level of each belief; the last is the finished clip. */
  sigmas: number[];
  clips: Clip[];
}

/** Clean estimates along the teacher's trajectories at the noise levels that the student is trained on, decoded. */
export async function coarseToFine(
  parts: SamplingParts,
  teacher: Part<WanConfig>,
  prompts: readonly string[],
  key: Key,
): Promise<CoarseToFine[]> {
  const { recipe, vae } = parts;
  const grid = flowSchedule({ steps: recipe.trajectories.steps, shift: recipe.student.shift });
  const keep = new Set(statesFor(studentSchedule(recipe), grid).slice(0, -1));
  const { guidanceScale } = recipe.sampling;
  const text = { encode: parts.encodeText };
  const field = await textVelocity(teacher, text, prompts, { guidanceScale, jointGuidance: true });
  const noise = toTensor(key.normal([prompts.length, ...clipLatentShape(recipe)]));
  const beliefs: Tensor[] = [];
  const onStep = ({ index, x0 }: { index: number; x0: Tensor }): void => {
    if (keep.has(index)) beliefs.push(x0.clone());
  };
  beliefs.push(euler(field, noise, grid, { onStep }));
  const perLevel: Clip[][] = [];
  for (const belief of beliefs) perLevel.push(await decodeClips(vae, belief, { fps: digits.FPS }));
  field.dispose();
  tf.dispose([noise, ...beliefs]);
  const sigmas = [...[...keep].map((index) => grid.sigmas[index]!), 0];
  return prompts.map((prompt, i) => ({ prompt, sigmas, clips: perLevel.map((clips) => clips[i]!) }));
}

/** Real clips of held-out handwriting that show what the prompts say: the measure of what can be reached. */
export function realClips(prompts: readonly string[], seed: number): Clip[] {
  return prompts.map((prompt, i) => digits.clip(i, { seed, split: 'test', label: digits.parseCaption(prompt) }).clip);
}

/** Optical flow between the two middle frames. */
export function middleFlow(clip: Clip): FlowField {
  const middle = (clip.frames - 1) >> 1;
  return lucasKanade(luma(clip, middle), luma(clip, middle + 1));
}
