/** The trained networks of the small scale, read from a folder. */

import { vaeShapes } from '../../model/vae/index.ts';
import { type WanConfig, wanShapes } from '../../model/wan/index.ts';
import { checkShapes, type Shapes } from '../../nn/index.ts';
import { classifierShapes } from '../../world/digits/classifier/index.ts';
import { textEncoder } from '../../world/digits/text.ts';
import type { Judges } from '../results/measure.ts';
import { type Artefact, artefactPath, loadArtefact, type NetworkName } from './artefacts.ts';
import type { SamplingParts } from './generate.ts';
import type { Recipe } from './recipe.ts';
import { loadReward } from './rewards.ts';

/** Students by the name of their weights. */
export type StudentName = 'ode' | 'reward-forcing';

/** Everything the walkthroughs use. */
export interface Networks extends SamplingParts, Judges {
  teacher: Artefact<WanConfig>;
  distilled: Artefact<WanConfig>;
  students: Record<StudentName, Artefact<WanConfig>>;
  /** SHA-256 of each file. */
  checksums: Readonly<Record<NetworkName, string>>;
  /** Releases all weights. */
  dispose(): void;
}

/**
 * Loads all networks of a folder.
 *
 * @throws Error naming the file that is missing, damaged, or whose tensors do not fit its configuration.
 */
export async function loadNetworks(folder: string, recipe: Recipe): Promise<Networks> {
  const vae = await loadChecked(folder, 'vae', vaeShapes);
  const [teacher, distilled, ode, forced] = await Promise.all(
    (['teacher', 'distilled', 'ode', 'reward-forcing'] as const).map((name) => loadChecked(folder, name, wanShapes)),
  );
  const [reward, judge] = [await loadReward(folder, 'reward'), await loadReward(folder, 'judge')];
  const classifier = await loadChecked(folder, 'classifier', classifierShapes);
  const nets = [vae, teacher!, distilled!, ode!, forced!, classifier];
  const text = textEncoder(recipe);
  return {
    recipe,
    vae,
    encodeText: text.encode,
    teacher: teacher!,
    distilled: distilled!,
    students: { ode: ode!, 'reward-forcing': forced! },
    reward,
    judge,
    classifier,
    checksums: {
      vae: vae.sha256,
      teacher: teacher!.sha256,
      distilled: distilled!.sha256,
      ode: ode!.sha256,
      'reward-forcing': forced!.sha256,
      reward: reward.info.weights!['reward']!,
      judge: judge.info.weights!['reward']!,
      classifier: classifier.sha256,
    },
    dispose: () => {
      for (const { weights } of nets) weights.dispose();
      for (const owner of [reward, judge, text]) owner.dispose();
    },
  };
}

async function loadChecked<Config>(
  folder: string,
  name: NetworkName,
  shapesOf: (config: Config) => Shapes,
): Promise<Artefact<Config>> {
  const artefact = await loadArtefact<Config>(folder, name);
  try {
    checkShapes(artefact.weights.shapes(), shapesOf(artefact.config), artefactPath(folder, name));
  } catch (error) {
    artefact.weights.dispose();
    throw error;
  }
  return artefact;
}
