/** `reward-forcing doctor`: what is here, what could be had, and the one command for each. */
import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { cpus, totalmem } from 'node:os';
import { join } from 'node:path';
import { type EngineEntry, list, use } from '../engine/index.ts';
import { findFfmpeg, packageRoot, packageVersion } from '../io/internal.ts';
import { inspectWeights } from '../model/internal.ts';
import { readManifest, verifyWeights } from '../study/internal.ts';
import { shippedRecipes, worldOf } from '../world/internal.ts';
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
  const broken = findings.filter(({ state }) => state === 'failed').map(({ what }) => what);
  if (broken.length > 0) throw new Error(`${broken.join(', ')} failed: the lines above say what helps`);
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

type Result = Omit<Finding, 'what'>;

const ok = (detail: string): Result => ({ state: 'ok', detail });
const missing = (detail: string, fix?: string): Result => ({ state: 'missing', detail, ...(fix && { fix }) });
const failed = (detail: string, fix?: string): Result => ({ state: 'failed', detail, ...(fix && { fix }) });

/** Everything the doctor looks at. Never throws: a check that fails is a finding. */
async function examine(): Promise<Finding[]> {
  const engines = await Promise.all(list().map(examineEngine));
  return [
    { what: 'package', ...ok(`reward-forcing ${packageVersion()}`) },
    { what: 'node', ...node() },
    { what: 'machine', ...machine() },
    ...engines,
    { what: 'weights', ...(await weights()) },
    { what: 'video', ...(await video()) },
    { what: 'build', ...build() },
    { what: 'python', ...python() },
    { what: 'jupyter', ...jupyter() },
  ];
}

function node(): Result {
  const [major = 0, minor = 0] = process.versions.node.split('.').map(Number);
  const fits = major > 20 || (major === 20 && minor >= 19);
  const detail = `Node.js ${process.versions.node}`;
  return fits ? ok(detail) : failed(detail, 'install Node.js 20.19 or newer');
}

function machine(): Result {
  const memory = (totalmem() / 2 ** 30).toFixed(1);
  return ok(`${cpus().length} cores, ${memory} GiB, ${process.platform} ${process.arch}`);
}

async function examineEngine({ name, reason }: EngineEntry): Promise<Finding> {
  const what = `engine ${name}`;
  const without = (message: string): string => message.replace(`${what}: `, ''); // the line begins with it
  if (reason !== null) return { what, ...missing(without(reason)) };
  try {
    const { device, versions } = await use(name);
    const libraries = Object.entries(versions).map(([library, version]) => `${library} ${version}`);
    return { what, ...ok(`${device}; ${libraries.join(', ')}`) };
  } catch (error) {
    return { what, ...failed(without((error as Error).message), 'npm ci') };
  }
}

async function video(): Promise<Result> {
  try {
    const ffmpeg = await findFfmpeg();
    if (ffmpeg) return ok(`ffmpeg at ${ffmpeg.path} (${ffmpeg.from})`);
  } catch (error) {
    return failed((error as Error).message);
  }
  const fix = 'reward-forcing engine install ffmpeg, or set FFMPEG_BIN';
  return missing('no ffmpeg: clips are written as animated WebP', fix);
}

/** The small weights that the package ships. */
async function weights(): Promise<Result> {
  const folder = join(packageRoot(), 'data', 'study');
  if (!existsSync(join(folder, 'manifest.json'))) {
    return missing('no small weights', 'npm run demo -- --from-scratch');
  }
  try {
    const manifest = await readManifest(folder);
    verifyWeights(folder, manifest);
    return ok(`recipe ${manifest.recipe.name}, commit ${manifest.commit.slice(0, 12)}`);
  } catch (error) {
    return failed((error as Error).message);
  }
}

function build(): Result {
  const absent = ['kernel/main.js', 'plotly.js'].filter((file) => !existsSync(join(packageRoot(), 'dist', file)));
  if (absent.length === 0) return ok('the kernel, and the charts of pages');
  return missing(`not built: ${absent.join(', ')}`, 'npm run build');
}

function python(): Result {
  const version = run('python3', ['--version']);
  return version === null ? missing('only JupyterLab needs it', 'install Python 3.10 or newer') : ok(version);
}

function jupyter(): Result {
  const specs = run('jupyter', ['kernelspec', 'list', '--json']);
  if (specs === null) return missing('no JupyterLab found', 'npm run lab');
  const installed = Object.hasOwn((JSON.parse(specs) as { kernelspecs: object }).kernelspecs, 'reward-forcing');
  if (installed) return ok('the kernel is installed');
  return missing('the kernel is not installed', 'reward-forcing kernel install');
}

function run(command: string, args: string[]): string | null {
  try {
    return execFileSync(command, args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }).trim();
  } catch {
    return null;
  }
}
