/** `reward-forcing sample`: one clip of the small scale for a prompt. */

import { dataset, nn, sampler, study } from '../index.ts';
import type { Clip } from '../io/index.ts';
import { prepareClipFile, writeClip } from './clip-file.ts';
import { UsageError } from './failure.ts';
import { interruptible } from './interrupt.ts';
import { type EngineFlags, startEngine } from './start-engine.ts';

/** Flags of a sample. */
export interface SampleFlags extends EngineFlags {
  seed: string;
  /** Default reward-forcing. */
  network?: string;
  out?: string;
  weights?: string;
}

const NETWORKS = ['teacher', 'distilled', 'ode', 'reward-forcing'];

/** Samples a clip and writes it as .mp4, .webp, or as a sheet of its frames in .png. */
export async function sample(prompt: string, { network = 'reward-forcing', ...flags }: SampleFlags): Promise<void> {
  if (!NETWORKS.includes(network)) throw new UsageError(`there is no network "${network}": use ${NETWORKS.join(', ')}`);
  checkPrompt(prompt);
  const out = await prepareClipFile(flags.out);
  await startEngine(flags);
  await interruptible(async (signal) => {
    const networks = await loadShipped(flags.weights);
    const clip = await draw(networks, prompt, { seed: flags.seed, network, signal }).finally(() => networks.dispose());
    await writeClip(out, clip, { prompt, seed: flags.seed, network });
  }, 'nothing was written');
  process.stdout.write(`wrote ${out}\n`);
}

function checkPrompt(prompt: string): void {
  try {
    dataset.digits.parseCaption(prompt);
  } catch (error) {
    const [example] = dataset.digits.prompts('all', 1);
    throw new UsageError(`${(error as Error).message}; for example "${example}"`, { cause: error });
  }
}

async function loadShipped(folder: string = study.shippedFolder()): Promise<study.Networks> {
  const manifest = await study.readManifest(folder);
  study.verifyWeights(folder, manifest);
  return study.loadNetworks(folder, manifest.recipe);
}

async function draw(
  networks: study.Networks,
  prompt: string,
  { seed, network, signal }: { seed: string; network: string; signal: AbortSignal },
): Promise<Clip> {
  const { teacher, distilled, students } = networks;
  const contestant = {
    teacher: { kind: 'teacher', net: teacher },
    distilled: { kind: 'distilled', net: distilled },
    ode: { kind: 'student', net: students.ode },
    'reward-forcing': { kind: 'student', net: students['reward-forcing'] },
  }[network] as { kind: study.SamplingKind; net: typeof teacher };
  const key = nn.random.key(seed).stream('sample');
  const [clip] = await sampler.generateClips(study.videoModel(networks, contestant), { prompt, key, signal });
  return clip!;
}
