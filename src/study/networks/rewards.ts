import type { Reward } from '../../reward/index.ts';
import { type SmallRewardConfig, smallReward, smallRewardNet } from '../../world/digits/judge/index.ts';
import { loadArtefact } from './artefacts.ts';

/** The small reward or its second judge, standardised with the scale in its file. */
export async function loadReward(folder: string, name: 'reward' | 'judge'): Promise<Reward> {
  const { weights, config, about, sha256 } = await loadArtefact<SmallRewardConfig>(folder, name);
  const scale = { mean: Number(about['mean'] ?? 0), std: Number(about['std'] ?? 1) };
  return smallReward(smallRewardNet.net(config, weights, { sha256 }), { scale, id: `small-${name}` });
}
