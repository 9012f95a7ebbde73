/** The trained networks of the small scale, read from a folder. */

import { vae as autoencoder, type VaeConfig } from '../../model/vae/index.ts';
import { type WanConfig, wan } from '../../model/wan/index.ts';
import type { Net } from '../../nn/index.ts';
import { classifier as digitClassifier } from '../../world/digits/classifier/index.ts';
import { textEncoder } from '../../world/digits/text.ts';
import type { Judges } from '../results/measure.ts';
import { loadArtefact, type NetworkName } from './artefacts.ts';
import type { SamplingParts } from './generate.ts';
import type { Recipe } from './recipe.ts';
import { loadReward } from './rewards.ts';

/** Students by the name of their weights. */
export type StudentName = 'ode' | 'reward-forcing';

/** Everything the walkthroughs use. */
export interface Networks extends SamplingParts, Judges {
  vae: Net<VaeConfig>;
  teacher: Net<WanConfig>;
  distilled: Net<WanConfig>;
  students: Record<StudentName, Net<WanConfig>>;
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
  const vae = await loadArtefact(folder, 'vae', autoencoder);
  const [teacher, distilled, ode, forced] = await Promise.all(
    (['teacher', 'distilled', 'ode', 'reward-forcing'] as const).map((name) => loadArtefact(folder, name, wan)),
  );
  const [reward, judge] = [await loadReward(folder, 'reward'), await loadReward(folder, 'judge')];
  const classifier = await loadArtefact(folder, 'classifier', digitClassifier);
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
      vae: vae.about.sha256!,
      teacher: teacher!.about.sha256!,
      distilled: distilled!.about.sha256!,
      ode: ode!.about.sha256!,
      'reward-forcing': forced!.about.sha256!,
      reward: reward.info.weights!['reward']!,
      judge: judge.info.weights!['reward']!,
      classifier: classifier.about.sha256!,
    },
    dispose: () => {
      for (const owner of [...nets, reward, judge, text]) owner.dispose();
    },
  };
}
