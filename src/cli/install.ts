/** `reward-forcing engine install`: which flags go with what, and a line that says what is there now. */
import { UsageError } from './failure.ts';

export interface InstallFlags {
  readonly gpu?: boolean;
  readonly cpu?: boolean;
  readonly cuda12?: boolean;
  readonly cuda13?: boolean;
}

type Installable = 'xla' | 'tensorflow' | 'ffmpeg';

/** Flags by what they are for. */
const flagsOf: Readonly<Record<Installable, readonly (keyof InstallFlags)[]>> = {
  xla: ['cpu', 'cuda12', 'cuda13'],
  tensorflow: ['gpu'],
  ffmpeg: [],
};

function checkFlags(name: Installable, given: readonly string[]): void {
  for (const flag of given) {
    const [taker] = (Object.keys(flagsOf) as Installable[]).filter((each) => flagsOf[each].includes(flag as never));
    if (taker !== name) throw new UsageError(`--${flag}: only for ${taker}; leave it out`);
  }
}

/** Installs; `say` hears of each command. Returns what to print. */
export async function install(name: Installable, flags: InstallFlags, say: (text: string) => void): Promise<string> {
  const given = Object.keys(flags);
  checkFlags(name, given);
  if (name === 'ffmpeg') {
    const path = await (await import('./install-ffmpeg.ts')).installFfmpeg(say);
    return `videos are written and read by ${path}`;
  }
  if (name === 'tensorflow') {
    const { installTensorflow } = await import('../engine/tensorflow/index.ts');
    const { api } = await installTensorflow({ gpu: flags.gpu ?? false, onCommand: say });
    return `the tensorflow engine uses ${api}`;
  }
  const { installXla, xlaTargets } = await import('../engine/xla/index.ts');
  const [target, ...others] = xlaTargets.filter((each) => flags[each]);
  if (!target || others.length > 0) {
    throw new UsageError('engine install xla: say which plugin, one of --cpu, --cuda12, --cuda13');
  }
  const { path } = await installXla({ target, onCommand: say });
  return `the xla engine uses ${path}`;
}
