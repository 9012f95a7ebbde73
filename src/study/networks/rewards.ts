import { type Reward, smallReward, smallRewardNet } from '../../reward/index.ts';
import { loadArtefact } from './artefacts.ts';

/** The small reward or its second judge, standardised with the scale in its file. */
export async function loadReward(folder: string, name: 'reward' | 'judge'): Promise<Reward> {
  const { weights, config, about } = await loadArtefact(folder, name, smallRewardNet);
  const scale = { mean: Number(about.facts?.['mean'] ?? 0), std: Number(about.facts?.['std'] ?? 1) };
  return smallReward(weights, { config, scale, id: `small-${name}`, weightsSha256: about.sha256! });
}
