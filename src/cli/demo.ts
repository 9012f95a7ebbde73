/** `reward-forcing demo`: from shipped weights in minutes, or everything from scratch in hours. */
import { execFileSync } from 'node:child_process';
import { join, resolve } from 'node:path';
import { engine, study } from '../index.ts';
import { UsageError } from './failure.ts';
import { interruptible } from './interrupt.ts';
import { packageRoot, packageVersion } from './package.ts';
import { ProgressLine } from './progress.ts';

/** Flags of the demo. */
export interface DemoFlags {
  out: string;
  weights?: string;
  fromScratch?: boolean;
  recipe: string;
  engine: string;
  threads?: number;
}

const RECIPES: Readonly<Record<string, study.Recipe>> = { study: study.studyRecipe, smoke: study.smokeRecipe };

/** Runs the demo; prints where its files lie and what it found. */
export async function demo(flags: DemoFlags): Promise<void> {
  const recipe = recipeNamed(flags.recipe);
  const out = resolve(flags.out);
  const weights = weightsFolder(flags, out);
  await study.prepareFolder(out);
  await startEngine(flags);
  const line = new ProgressLine();
  const heard = {
    onProgress: (progress: study.Progress) => line.update(progress),
    onNotice: (text: string) => line.say(text),
  };
  try {
    const results = await interruptible(async (signal) => {
      if (flags.fromScratch) {
        const scratch = { recipe, folder: join(out, 'from-scratch'), shipTo: weights, version: packageVersion() };
        await study.runFromScratch({
          ...scratch,
          ...heard,
          signal,
          about: { command: command(flags), commit: commit() },
        });
      }
      return study.runDemo({ weights, out, version: packageVersion(), ...heard, signal });
    });
    line.end();
    process.stdout.write(`${conclusion(results, out)}\n`);
  } finally {
    line.end();
  }
}

function recipeNamed(name: string): study.Recipe {
  const recipe = Object.hasOwn(RECIPES, name) ? RECIPES[name] : undefined;
  if (recipe) return recipe;
  throw new UsageError(`there is no recipe "${name}": use ${Object.keys(RECIPES).join(' or ')}`);
}

/** Only the published recipe replaces the weights that the package ships. */
function weightsFolder({ weights, fromScratch, recipe }: DemoFlags, out: string): string {
  if (weights) return resolve(weights);
  const isShipped = !fromScratch || recipe === 'study';
  return isShipped ? join(packageRoot(), 'data', 'study') : join(out, 'from-scratch', 'shipped');
}

/** Starts the engine that a command asks for. */
export async function startEngine({ engine: name, threads }: Pick<DemoFlags, 'engine' | 'threads'>): Promise<void> {
  const known = [...engine.list().map((entry) => entry.name), 'auto'];
  if (!known.includes(name)) throw new UsageError(`there is no engine "${name}": use ${known.join(', ')}`);
  await engine.use(name as engine.EngineName | 'auto', threads === undefined ? {} : { threads });
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
  const { reward, judge } = differences['phase 2 - phase 1']!;
  const change = ({ estimate, low, high }: typeof reward): string =>
    `${estimate.toFixed(2)} [${low.toFixed(2)}, ${high.toFixed(2)}]`;
  const moving = ['phase 1', 'phase 2'].map((title) => `${Math.round(100 * outcomes[title]!.dynamicDegree.estimate)}%`);
  return [
    `phase 2 minus phase 1 over ${prompts.length} prompts x ${seeds} seeds, with 95% intervals:`,
    `  reward of the last frame ${change(reward)}, second judge ${change(judge)}, clips that move ${moving.join(' -> ')}`,
    `report:  ${join(out, 'report.html')}`,
    `results: ${join(out, 'results.json')}`,
    `clips:   ${join(out, 'clips')}`,
  ].join('\n');
}
