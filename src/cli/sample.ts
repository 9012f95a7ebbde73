/** `reward-forcing sample`: one clip of the small scale for a prompt. */
import { nn, sampler, study, world } from '../index.ts';
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

/** What each network is in a comparison. */
const networks: Readonly<Record<string, world.OutcomeId>> = {
  teacher: 'teacher',
  distilled: 'distilled',
  ode: 'phase 1',
  'reward-forcing': 'phase 2',
};

/** Samples a clip and writes it as .mp4, .webp, or as a sheet of its frames in .png. */
export async function sample(prompt: string, { network = 'reward-forcing', ...flags }: SampleFlags): Promise<void> {
  const outcome = Object.hasOwn(networks, network) ? networks[network] : undefined;
  if (!outcome) {
    throw new UsageError(`there is no network "${network}": use ${Object.keys(networks).join(', ')}`);
  }
  const folder = flags.weights ?? study.shippedFolder();
  const { recipe } = await study.readManifest(folder);
  checkPrompt(world.worldOf(recipe.world), prompt);
  const out = await prepareClipFile(flags.out);
  await startEngine(flags);
  await interruptible(async (signal) => {
    const nets = await study.open(folder);
    const { net, kind } = study.contestant(nets, outcome);
    const key = nn.random.key(flags.seed).stream('sample');
    const [clip] = await sampler
      .generateClips(nets.video(net, kind), { prompt, key, signal })
      .finally(() => nets.dispose());
    await writeClip(out, clip!, { prompt, seed: flags.seed, network });
  }, 'nothing was written');
  process.stdout.write(`wrote ${out}\n`);
}

function checkPrompt({ check }: world.World, prompt: string): void {
  try {
    check(prompt);
  } catch (error) {
    throw new UsageError((error as Error).message, { cause: error });
  }
}
