/** The trained networks of the small scale, read from a folder. */
import type { ClassifierConfig } from '../model/classifier/index.ts';
import type { WanConfig } from '../model/index.ts';
import type { VaeConfig } from '../model/vae/index.ts';
import { type Artefact, artefactPath, loadArtefact, NETWORKS, type NetworkName, sha256 } from './artefacts.ts';
import type { Studio } from './generate.ts';
import type { Judges } from './measure.ts';
import type { Recipe } from './recipe.ts';
import { loadReward } from './rewards.ts';
import { textEncoder } from './text.ts';

/** Students by the name of their weights. */
export type StudentName = 'ode' | 'reward-forcing';

/** Everything the walkthroughs use. */
export interface Networks extends Studio, Judges {
  teacher: Artefact<WanConfig>;
  distilled: Artefact<WanConfig>;
  students: Record<StudentName, Artefact<WanConfig>>;
  /** SHA-256 of each file. */
  checksums: Readonly<Record<NetworkName, string>>;
  /** Releases all weights. */
  dispose(): void;
}

/** Loads all networks of a folder; a missing one is an error that names its file. */
export async function loadNetworks(folder: string, recipe: Recipe): Promise<Networks> {
  const vae = await loadArtefact<VaeConfig>(folder, 'vae');
  const [teacher, distilled, ode, forced] = await Promise.all(
    (['teacher', 'distilled', 'ode', 'reward-forcing'] as const).map((name) => loadArtefact<WanConfig>(folder, name)),
  );
  const [reward, judge] = [await loadReward(folder, 'reward'), await loadReward(folder, 'judge')];
  const classifier = await loadArtefact<ClassifierConfig>(folder, 'classifier');
  const nets = [vae, teacher!, distilled!, ode!, forced!, classifier];
  return {
    recipe,
    vae,
    encodeText: textEncoder(recipe),
    teacher: teacher!,
    distilled: distilled!,
    students: { ode: ode!, 'reward-forcing': forced! },
    reward,
    judge,
    classifier,
    checksums: Object.fromEntries(NETWORKS.map((name) => [name, sha256(artefactPath(folder, name))])) as Record<
      NetworkName,
      string
    >,
    dispose: () => {
      for (const { weights } of nets) weights.dispose();
      for (const owner of [reward, judge]) owner.dispose();
    },
  };
}
