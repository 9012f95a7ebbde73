/** Things to look at: a demo's result side by side, the way of a sample from noise to clip, optical flow. */
import { type Tensor, tf } from '../../engine/tf.ts';
import { lucasKanade, luma } from '../../evaluate/internal.ts';
import { type Clip, joinClips, sliceClip } from '../../io/index.ts';
import { packageVersion } from '../../io/internal.ts';
import type { WanConfig } from '../../model/internal.ts';
import { type Key, type Net, toTensor } from '../../nn/index.ts';
import { decodeClips, euler, flowSchedule, statesFor, textVelocity } from '../../sampler/index.ts';
import * as show from '../../show/index.ts';
import type { OpenedNetworks } from '../networks/networks.ts';
import { clipLatentShape, type SamplingParts, studentSchedule } from '../networks/settings.ts';
import { realClips } from './outcomes.ts';
import type { DemoRecord } from './results.ts';

/** Prompts whose last frames stand side by side. */
const SHOWN = 10;

/** Last frames of the first prompts, network by network; below, the clips of the very first, frame by frame. */
export function demoPicture({ manifest, recipe, world }: OpenedNetworks, record: DemoRecord): show.Figure {
  const { prompts, outcomes } = record;
  const some = prompts.slice(0, SHOWN);
  const made = (id: string): readonly Clip[] => outcomes[id]!.clips[0]!.slice(0, SHOWN);
  const sources = {
    'real clips': realClips(world, some, recipe.seed),
    teacher: made('teacher'),
    'phase 1, regression': made('phase 1'),
    'phase 2, reward': made('phase 2'),
  };
  const ends = Object.entries(sources).map(
    ([title, clips]) => [`${title}: last frames`, joinClips(clips.map((clip) => sliceClip(clip, -1)))] as const,
  );
  const motion = Object.entries(sources)
    .slice(2)
    .map(([title, [first]]) => [`${title}: ${some[0]}`, first!] as const);
  const titles: ReadonlySet<string> = new Set(ends.map(([title]) => title));
  return show.frames(Object.fromEntries([...ends, ...motion]), {
    count: Math.max(some.length, motion[0]![1].frames),
    width: 900,
    label: (title, index) => (titles.has(title) ? world.brief(some[index]!) : String(index)),
    provenance: { version: packageVersion(), weights: manifest.commit },
  });
}

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
  teacher: Net<WanConfig>,
  prompts: readonly string[],
  key: Key,
): Promise<CoarseToFine[]> {
  const { recipe, vae, text, world } = parts;
  const grid = flowSchedule({ steps: recipe.trajectories.steps, shift: recipe.student.shift });
  const keep = new Set(statesFor(studentSchedule(recipe), grid).slice(0, -1));
  const { guidanceScale } = recipe.sampling;
  const field = await textVelocity(teacher, text, prompts, { guidanceScale, jointGuidance: true });
  const noise = toTensor(key.normal([prompts.length, ...clipLatentShape(parts)]));
  const beliefs: Tensor[] = [];
  const onStep = ({ index, x0 }: { index: number; x0: Tensor }): void => {
    if (keep.has(index)) beliefs.push(x0.clone());
  };
  beliefs.push(euler(field, noise, grid, { onStep }));
  const perLevel: Clip[][] = [];
  for (const belief of beliefs) perLevel.push(await decodeClips(vae, belief, world.size));
  field.dispose();
  tf.dispose([noise, ...beliefs]);
  const sigmas = [...[...keep].map((index) => grid.sigmas[index]!), 0];
  return prompts.map((prompt, i) => ({ prompt, sigmas, clips: perLevel.map((clips) => clips[i]!) }));
}

/** Optical flow between the two middle frames. */
export function middleFlow(clip: Clip): show.FlowField {
  const middle = (clip.frames - 1) >> 1;
  return lucasKanade(luma(clip, middle), luma(clip, middle + 1));
}
