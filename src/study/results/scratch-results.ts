/** The comparisons of a run from scratch: every network on the same prompts, and what that says about the method. */
import { createHash } from 'node:crypto';
import { mkdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { writeAtomic } from '../../io/index.ts';
import { type WanConfig, wan } from '../../model/index.ts';
import type { Net } from '../../nn/index.ts';
import * as digits from '../../world/digits/index.ts';
import { type Progress, weightsFolder } from '../chain/study-run.ts';
import { loadArtefact, VARIANTS, type VariantName } from '../networks/artefacts.ts';
import { loadNetworks, type Networks } from '../networks/networks.ts';
import type { Recipe } from '../networks/recipe.ts';
import { claimsOf } from './claims.ts';
import {
  type CompareOptions,
  type Contestant,
  differencesOf,
  evaluateContestant,
  evaluationPrompts,
} from './compare.ts';
import { realClips } from './illustrations.ts';
import { type Measures, measure, summarise } from './measure.ts';
import { engineUsed, measureVariants, type ScratchResults } from './results.ts';

/** A finished run to compare. */
export interface CompareAllOptions {
  recipe: Recipe;
  folder: string;
  version: string;
  onProgress?: (progress: Progress) => void;
  signal?: AbortSignal;
}

/** Real clips of a prompt for each generated one: with 64 prompts and 2 seeds, a thousand of unseen handwriting. */
const REAL_DRAWS = 8;

type PromptSet = Pick<CompareOptions, 'prompts' | 'seeds'>;
type Entrant = Contestant & { net: Net<WanConfig> };

/** What is compared: first minus second, by title. */
const PAIRS = [
  ['phase 1', 'teacher'],
  ['phase 2', 'phase 1'],
  ['phase 2', 'phase 2, random frame'],
  ['phase 2', 'phase 2, all frames'],
] as const;

/** Generates and measures clips of every network, or reads the measures that an interrupted run has left. */
export async function compareAll(options: CompareAllOptions): Promise<ScratchResults> {
  const { recipe } = options;
  const { seed, evaluation } = recipe;
  const set = { prompts: evaluationPrompts(evaluation.prompts), seeds: evaluation.seeds };
  const heldOut = heldOutSet(recipe);
  const networks = await loadNetworks(weightsFolder(options), recipe);
  const variants = await loadVariants(weightsFolder(options));
  const measured: Record<string, Measures> = {};
  for (const entrant of entrants(networks, variants)) {
    measured[entrant.title] = await judged(options, networks, entrant, set);
  }
  const title = 'teacher, held-out prompts';
  const unseen: Entrant = { title, net: networks.teacher, kind: 'teacher' };
  measured[title] = await judged(options, networks, unseen, heldOut);
  measured['real clips'] = await judgedReal(options, networks, set);
  const outcomes = Object.fromEntries(Object.entries(measured).map(([name, all]) => [name, summarise(all, seed)]));
  const scored = Object.fromEntries(Object.entries(measured).map(([name, measures]) => [name, { measures }]));
  const differences = differencesOf(PAIRS, scored, seed);
  networks.dispose();
  for (const net of Object.values(variants)) net.dispose();
  return {
    format: 1,
    version: options.version,
    seed,
    recipe: recipe.name,
    engine: engineUsed(),
    sha256: checksums(networks, variants),
    prompts: set.prompts.length,
    seeds: set.seeds,
    heldOut: { prompts: heldOut.prompts.length, seeds: heldOut.seeds },
    measures: measureVariants(),
    outcomes,
    differences,
    claims: claimsOf(outcomes, differences),
  };
}

/** Clips of held-out labels that the teacher is judged by: at least 200, less where the recipe is for tests. */
function heldOutSet({ evaluation }: Recipe): PromptSet {
  const all = digits.prompts('held-out');
  if (evaluation.prompts < all.length) return { prompts: all.slice(0, evaluation.prompts), seeds: 1 };
  return { prompts: all, seeds: Math.ceil(200 / all.length) };
}

type Variants = Readonly<Record<VariantName, Net<WanConfig>>>;

async function loadVariants(folder: string): Promise<Variants> {
  const names = Object.keys(VARIANTS) as VariantName[];
  const entries = await Promise.all(names.map(async (name) => [name, await loadArtefact(folder, name, wan)] as const));
  return Object.fromEntries(entries) as Variants;
}

function entrants({ teacher, distilled, students }: Networks, variants: Variants): Entrant[] {
  return [
    { title: 'teacher', net: teacher, kind: 'teacher' },
    { title: 'distilled', net: distilled, kind: 'distilled' },
    { title: 'before phase 1', net: distilled, kind: 'student' },
    { title: 'phase 1', net: students.ode, kind: 'student' },
    { title: 'phase 2', net: students['reward-forcing'], kind: 'student' },
    { title: 'phase 2, random frame', net: variants['reward-random'], kind: 'student' },
    { title: 'phase 2, all frames', net: variants['reward-all'], kind: 'student' },
  ];
}

/** Measures of a network, kept in the run folder under a checksum of everything that decides them. */
async function judged(
  { recipe, folder, onProgress, signal }: CompareAllOptions,
  networks: Networks,
  entrant: Entrant,
  set: PromptSet,
): Promise<Measures> {
  const { sampling, student, seed } = recipe;
  const judges = Object.values(networks.checksums);
  const decides = [entrant.kind, entrant.net.about.sha256, judges, sampling, student, seed, set, measureVariants()];
  const digest = createHash('sha256').update(JSON.stringify(decides)).digest('hex').slice(0, 16);
  const path = join(folder, 'evaluation', `${entrant.title.replaceAll(/[ ,]+/g, '-')}-${digest}.json`);
  const kept = await readFile(path, 'utf8').catch(() => null);
  if (kept !== null) return JSON.parse(kept) as Measures;
  const report = (stage: string, done: number, total: number): void =>
    onProgress?.({ stage: `compare: ${stage}`, done, total, values: {} });
  const options = { ...set, onProgress: report, ...(signal && { signal }) };
  const { measures } = await evaluateContestant(networks, entrant, options);
  await mkdir(join(folder, 'evaluation'), { recursive: true });
  await writeAtomic(path, JSON.stringify(measures));
  return measures;
}

/** Measures of the data set itself for the same prompts. */
function judgedReal(
  { recipe, onProgress, signal }: CompareAllOptions,
  networks: Networks,
  { prompts, seeds }: PromptSet,
): Promise<Measures> {
  const clips = Array.from({ length: REAL_DRAWS * seeds }, (_, i) => realClips(prompts, recipe.seed + i));
  const total = clips.length * prompts.length;
  let done = 0;
  return measure(clips, prompts, networks, () => {
    signal?.throwIfAborted();
    onProgress?.({ stage: 'compare: real clips', done: ++done, total, values: {} });
  });
}

function checksums(networks: Networks, variants: Variants): Record<string, string> {
  const others = Object.entries(variants).map(([name, { about }]) => [name, about.sha256!] as const);
  return { ...networks.checksums, ...Object.fromEntries(others) };
}
