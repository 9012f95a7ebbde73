import type { Reward } from '../../reward/index.ts';
import { smallReward, smallRewardNet } from '../../world/digits/judge/index.ts';
import { loadArtefact } from './artefacts.ts';

/** The small reward or its second judge, standardised with the scale in its file. */
export async function loadReward(folder: string, name: 'reward' | 'judge'): Promise<Reward> {
  const net = await loadArtefact(folder, name, smallRewardNet);
  const { facts = {} } = net.about;
  const scale = { mean: Number(facts['mean'] ?? 0), std: Number(facts['std'] ?? 1) };
  return smallReward(net, { scale, id: `small-${name}` });
}
