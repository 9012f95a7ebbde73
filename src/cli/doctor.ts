/** `reward-forcing doctor`: what is here, what could be had, and the one command for each. */
import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { cpus, totalmem } from 'node:os';
import { join } from 'node:path';
import { type EngineEntry, list, use } from '../engine/index.ts';
import { packageRoot, packageVersion } from '../io/internal.ts';
import { inspectWeights } from '../model/internal.ts';
import { resolveEncoder } from '../show/index.ts';
import { readManifest, verifyWeights } from '../study/index.ts';
import { shippedRecipes, worldOf } from '../world/index.ts';
import { UsageError } from './failure.ts';

/** One line of the report. `fix` is the command that helps where something is missing. */
interface Finding {
  what: string;
  state: 'ok' | 'missing' | 'failed';
  detail: string;
  fix?: string;
}

/** Prints what is here; fails when something that the library needs does not work. */
export async function doctor({ weights }: { weights?: string }): Promise<void> {
  if (weights !== undefined) {
    process.stdout.write(`${await inspected(weights)}\n`);
    return;
  }
  const findings = await examine();
  const width = Math.max(...findings.map(({ what }) => what.length)) + 2;
  process.stdout.write(`${findings.map((finding) => line(finding, width)).join('\n')}\n`);
  const failed = findings.filter(({ state }) => state === 'failed').map(({ what }) => what);
  if (failed.length > 0) throw new Error(`${failed.join(', ')} failed: the lines above say what helps`);
}

/** What a file of weights holds. An ending that no reader has is a wrong call, a damaged file a failure. */
async function inspected(path: string): Promise<string> {
  try {
    const { judges } = worldOf(shippedRecipes.study().world);
    return String(await inspectWeights(path, { values: true, also: judges.map(({ architecture }) => architecture) }));
  } catch (error) {
    throw error instanceof RangeError ? new UsageError(`--weights: ${error.message}`, { cause: error }) : error;
  }
}

function line({ what, state, detail, fix }: Finding, width: number): string {
  return `${state.padEnd(9)}${what.padEnd(width)}${detail}${fix ? ` (${fix})` : ''}`;
}

/** Everything the doctor looks at. Never throws: a check that fails is a finding. */
async function examine(): Promise<Finding[]> {
  const engines = await Promise.all(list().map(examineEngine));
  return [version(), node(), machine(), ...engines, await weights(), await video(), build(), python(), jupyter()];
}

function version(): Finding {
  return { what: 'package', state: 'ok', detail: `reward-forcing ${packageVersion()}` };
}

function node(): Finding {
  const [major = 0, minor = 0] = process.versions.node.split('.').map(Number);
  const fits = major > 20 || (major === 20 && minor >= 19);
  const detail = `Node.js ${process.versions.node}`;
  return fits
    ? { what: 'node', state: 'ok', detail }
    : { what: 'node', state: 'failed', detail, fix: 'install Node.js 20.19 or newer' };
}

function machine(): Finding {
  const memory = (totalmem() / 2 ** 30).toFixed(1);
  return {
    what: 'machine',
    state: 'ok',
    detail: `${cpus().length} cores, ${memory} GiB, ${process.platform} ${process.arch}`,
  };
}

async function examineEngine({ name, reason }: EngineEntry): Promise<Finding> {
  const what = `engine ${name}`;
  const without = (message: string): string => message.replace(`${what}: `, ''); // the line begins with it
  if (reason !== null) return { what, state: 'missing', detail: without(reason) };
  try {
    const { device, versions } = await use(name);
    const detail = Object.entries(versions).map(([library, version]) => `${library} ${version}`);
    return { what, state: 'ok', detail: `${device}; ${detail.join(', ')}` };
  } catch (error) {
    return { what, state: 'failed', detail: without((error as Error).message), fix: 'npm ci' };
  }
}

async function video(): Promise<Finding> {
  let encoder: Awaited<ReturnType<typeof resolveEncoder>>;
  try {
    encoder = await resolveEncoder();
  } catch (error) {
    return { what: 'video', state: 'failed', detail: (error as Error).message };
  }
  if (encoder.kind === 'ffmpeg')
    return { what: 'video', state: 'ok', detail: `ffmpeg at ${encoder.path} (${encoder.from})` };
  const detail = 'no ffmpeg: clips are written as animated WebP';
  return {
    what: 'video',
    state: 'missing',
    detail,
    fix: 'reward-forcing engine install ffmpeg, or set FFMPEG_BIN',
  };
}

/** The small weights that the package ships. */
async function weights(): Promise<Finding> {
  const folder = join(packageRoot(), 'data', 'study');
  if (!existsSync(join(folder, 'manifest.json'))) {
    const fix = 'npm run demo -- --from-scratch';
    return { what: 'weights', state: 'missing', detail: 'no small weights', fix };
  }
  try {
    const manifest = await readManifest(folder);
    verifyWeights(folder, manifest);
    return {
      what: 'weights',
      state: 'ok',
      detail: `recipe ${manifest.recipe.name}, commit ${manifest.commit.slice(0, 12)}`,
    };
  } catch (error) {
    return { what: 'weights', state: 'failed', detail: (error as Error).message };
  }
}

function build(): Finding {
  const missing = ['kernel/main.js', 'plotly.js'].filter((file) => !existsSync(join(packageRoot(), 'dist', file)));
  return missing.length === 0
    ? { what: 'build', state: 'ok', detail: 'the kernel, and the charts of pages' }
    : { what: 'build', state: 'missing', detail: `not built: ${missing.join(', ')}`, fix: 'npm run build' };
}

function python(): Finding {
  const version = run('python3', ['--version']);
  return version === null
    ? { what: 'python', state: 'missing', detail: 'only JupyterLab needs it', fix: 'install Python 3.10 or newer' }
    : { what: 'python', state: 'ok', detail: version };
}

function jupyter(): Finding {
  const specs = run('jupyter', ['kernelspec', 'list', '--json']);
  if (specs === null) return { what: 'jupyter', state: 'missing', detail: 'no JupyterLab found', fix: 'npm run lab' };
  const installed = Object.hasOwn((JSON.parse(specs) as { kernelspecs: object }).kernelspecs, 'reward-forcing');
  return installed
    ? { what: 'jupyter', state: 'ok', detail: 'the kernel is installed' }
    : {
        what: 'jupyter',
        state: 'missing',
        detail: 'the kernel is not installed',
        fix: 'reward-forcing kernel install',
      };
}

function run(command: string, args: string[]): string | null {
  try {
    return execFileSync(command, args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }).trim();
  } catch {
    return null;
  }
}
