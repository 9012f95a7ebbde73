/** `reward-forcing demo`: the quickstart notebook from shipped weights in minutes, or everything from scratch in hours. */
import { execFileSync } from 'node:child_process';
import { mkdtemp, readFile, rename, rm } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { study, world } from '../index.ts';
import { packageRoot, packageVersion, prepareFolder } from '../io/internal.ts';
import { differenceId, readManifest, runFromScratch, verifyWeights } from '../study/internal.ts';
import { shippedRecipes } from '../world/internal.ts';
import { interruptible, UsageError } from './failure.ts';
import { type NotebookRun, runNotebook } from './kernel-program.ts';
import { ProgressLine } from './progress.ts';
import { checkEngine, type EngineFlags, startEngine } from './start-engine.ts';

export interface DemoFlags extends EngineFlags {
  out: string;
  weights?: string;
  fromScratch?: boolean;
  recipe: string;
}

const NOTEBOOK = '00-quickstart.ipynb';

/** Sizes of the notebook for weights of the smoke recipe: seconds, for tests. */
const SMOKE_SIZES = { prompts: 2, seeds: 1, shown: 1, trajectories: 2, phase1Steps: 2, phase2Steps: 2, batch: 2 };

/** Runs the demo; prints where its files lie and what it found. */
export async function demo(flags: DemoFlags): Promise<void> {
  const recipe = recipeNamed(flags.recipe);
  checkEngine(flags.engine);
  const out = resolve(flags.out);
  const weights = weightsFolder(flags, out);
  await prepareFolder(out);
  const line = new ProgressLine();
  await interruptible(async (signal) => {
    if (flags.fromScratch) {
      await startEngine(flags);
      const about = { command: command(flags), commit: commit() };
      const onProgress = (progress: study.Progress): void => line.update(progress);
      const places = { folder: join(out, 'from-scratch'), shipTo: weights };
      const training = { recipe, ...places, version: packageVersion(), onProgress, signal, about };
      await runFromScratch(training).finally(() => line.end());
    }
    const manifest = await readManifest(weights);
    verifyWeights(weights, manifest);
    await study.probeCodec((text) => line.say(text));
    const sizes = manifest.recipe.name === 'smoke' ? SMOKE_SIZES : {};
    const { engine: engineName, threads = 0 } = flags;
    await runQuickstart(out, { out, weights, engineName, threads, ...sizes }, signal);
  });
  const results = JSON.parse(await readFile(join(out, 'results.json'), 'utf8')) as study.DemoResults;
  process.stdout.write(`${conclusion(results, out)}\n`);
}

/** Runs the notebook into a folder aside: its page and its executed form appear when all of it went well. */
async function runQuickstart(out: string, parameters: NotebookRun['parameters'], signal: AbortSignal): Promise<void> {
  const aside = await mkdtemp(join(out, '.demo-'));
  const [notebook, page] = [join(aside, NOTEBOOK), join(aside, 'report.html')];
  try {
    await runNotebook(join(packageRoot(), 'notebooks', NOTEBOOK), { notebook, page, parameters, signal });
    await rename(notebook, join(out, NOTEBOOK));
    await rename(page, join(out, 'report.html'));
  } finally {
    await rm(aside, { recursive: true, force: true });
  }
}

function recipeNamed(name: string): world.Recipe {
  const recipes: Readonly<Record<string, () => world.Recipe>> = shippedRecipes;
  const make = Object.hasOwn(recipes, name) ? recipes[name] : undefined;
  if (make) return make();
  throw new UsageError(`there is no recipe "${name}": use ${Object.keys(recipes).join(' or ')}`);
}

/** Only the published recipe replaces the weights that the package ships. */
function weightsFolder({ weights, fromScratch, recipe }: DemoFlags, out: string): string {
  if (weights) return resolve(weights);
  const isShipped = !fromScratch || recipe === 'study';
  return isShipped ? study.shippedFolder() : join(out, 'from-scratch', 'shipped');
}

function command({ recipe }: DemoFlags): string {
  return `npm run demo -- --from-scratch${recipe === 'study' ? '' : ` --recipe ${recipe}`}`;
}

/** Commit of the code, with "+" where files differ from it; the version where there is no repository. */
function commit(): string {
  const git = (...args: string[]): string =>
    execFileSync('git', args, { cwd: packageRoot(), encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }).trim();
  try {
    return `${git('rev-parse', 'HEAD')}${git('status', '--porcelain', '--', 'src') === '' ? '' : '+'}`;
  } catch {
    return `version ${packageVersion()}`;
  }
}

function conclusion({ differences, outcomes, prompts, seeds }: study.DemoResults, out: string): string {
  const change = (measure: string): string => {
    const { estimate, low, high } = differences[differenceId('phase 2', 'phase 1')]![measure]!;
    return `${estimate.toFixed(2)} [${low.toFixed(2)}, ${high.toFixed(2)}]`;
  };
  const moving = (id: world.OutcomeId): string => {
    const { estimate } = outcomes[id]![world.dynamicDegree.id]!;
    return `${Math.round(100 * estimate)}%`;
  };
  return [
    `phase 2 minus phase 1 over ${prompts.length} prompts x ${seeds} seeds, with 95% intervals:`,
    `  reward of the last frame ${change('reward')}, second judge ${change('judge')}, ` +
      `clips that move ${moving('phase 1')} -> ${moving('phase 2')}`,
    `report:   ${join(out, 'report.html')}`,
    `notebook: ${join(out, NOTEBOOK)}`,
    `results:  ${join(out, 'results.json')}`,
    `clips:    ${join(out, 'clips')}`,
  ].join('\n');
}
