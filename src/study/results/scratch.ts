/** The comparisons of a run from scratch: every network on the same prompts, and what that says about the method. */
import { createHash } from 'node:crypto';
import { mkdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { writeAtomic } from '../../io/index.ts';
import { wan } from '../../model/internal.ts';
import type { OutcomeId, World } from '../../world/index.ts';
import { loadNetwork, VARIANTS } from '../networks/files.ts';
import { Networks } from '../networks/networks.ts';
import { type StudyPlace, weightsFolder } from '../networks/place.ts';
import {
  type CompareOptions,
  type Contestant,
  contestant,
  differenceId,
  differencesOf,
  evaluateContestant,
  type Measures,
  mapValues,
  measure,
  realClips,
  summarise,
} from './outcomes.ts';
import { engineUsed, judgeClaims, measureVariants, type ScratchResults } from './results.ts';

/** A finished run to compare. */
export type CompareAllOptions = StudyPlace & { readonly version: string };

/** Real clips of a prompt for each generated one: with 64 prompts and 2 seeds, a thousand that nothing was trained on. */
const REAL_DRAWS = 8;

type PromptSet = Pick<CompareOptions, 'prompts' | 'seeds'>;

/** What is compared on every world, first minus second. */
const PAIRS: readonly (readonly [OutcomeId, OutcomeId])[] = [
  ['phase 1', 'teacher'],
  ['phase 2', 'phase 1'],
  ...VARIANTS.map(({ outcome }) => ['phase 2', outcome] as const),
];

/** The same, and what the world's claims compare. */
function pairsOf({ claims }: World): readonly (readonly [OutcomeId, OutcomeId])[] {
  const claimed = claims.flatMap(({ of, minus }) => (minus === undefined ? [] : [[of, minus] as const]));
  return [...new Map([...PAIRS, ...claimed].map((pair) => [differenceId(...pair), pair])).values()];
}

/** Scores of as many seeds as there are of generated clips: real ones are measured on more. */
function firstSeeds(measures: Measures, seeds: number): Measures {
  return mapValues(measures, (scores) => scores.map((row) => row.slice(0, seeds)));
}

/** Generates and measures clips of every network, or reads the measures that an interrupted run has left. */
export async function compareAll(options: CompareAllOptions): Promise<ScratchResults> {
  const { recipe, world, version } = options;
  const { seed, evaluation } = recipe;
  const set = { prompts: world.prompts('all', evaluation.prompts), seeds: evaluation.seeds };
  const heldOut = heldOutSet(options);
  const nets = await Networks.load(weightsFolder(options), recipe, world);
  const variants = await loadVariants(options);
  const measured: Record<string, Measures> = {};
  const shipped: OutcomeId[] = ['teacher', 'distilled', 'before phase 1', 'phase 1', 'phase 2'];
  for (const entrant of [...shipped.map((id) => contestant(nets, id)), ...variants]) {
    measured[entrant.id] = await judged(options, nets, entrant, set);
  }
  if (heldOut) {
    const unseen: OutcomeId = 'teacher, held-out prompts';
    measured[unseen] = await judged(options, nets, { ...contestant(nets, 'teacher'), id: unseen }, heldOut);
  }
  measured['real clips'] = await judgedReal(options, nets, set);
  const outcomes = mapValues(measured, (measures) => summarise(measures, seed));
  const scored = mapValues(measured, (measures) => ({ measures: firstSeeds(measures, set.seeds) }));
  const differences = differencesOf(pairsOf(world), scored, seed);
  const results = { outcomes, differences, claims: judgeClaims(world, { outcomes, differences }, measured) };
  const variantSums = Object.fromEntries(variants.map(({ name, net }) => [name, net.about.sha256 ?? '']));
  const sha256 = { ...nets.checksums, ...variantSums };
  nets.dispose();
  for (const { net } of variants) net.dispose();
  return {
    format: 1,
    version,
    seed,
    recipe: recipe.name,
    engine: engineUsed(),
    sha256,
    prompts: set.prompts.length,
    seeds: set.seeds,
    heldOut: { prompts: heldOut?.prompts.length ?? 0, seeds: heldOut?.seeds ?? 0 },
    measures: measureVariants(world),
    ...results,
  };
}

/** Held-out prompts that the teacher is judged by: at least 200 clips, less where the recipe is for tests. */
function heldOutSet({ world, recipe: { evaluation } }: CompareAllOptions): PromptSet | null {
  const all = world.prompts('held-out');
  if (all.length === 0) return null;
  if (evaluation.prompts < all.length) return { prompts: all.slice(0, evaluation.prompts), seeds: 1 };
  return { prompts: all, seeds: Math.ceil(200 / all.length) };
}

function loadVariants(options: CompareAllOptions): Promise<(Contestant & { readonly name: string })[]> {
  return Promise.all(
    VARIANTS.map(async ({ name, outcome }) => {
      const net = await loadNetwork(weightsFolder(options), name, wan);
      return { id: outcome, name, net, kind: 'student' as const };
    }),
  );
}

/** Measures of a network, kept in the run folder under a checksum of everything that decides them. */
async function judged(
  { recipe, world, folder, onProgress, signal }: CompareAllOptions,
  nets: Networks,
  { id, net, kind }: Contestant,
  set: PromptSet,
): Promise<Measures> {
  const { sampling, student, seed } = recipe;
  const judges = Object.values(nets.checksums);
  const decides = [kind, net.about.sha256, judges, sampling, student, seed, recipe.world, set, measureVariants(world)];
  const digest = createHash('sha256').update(JSON.stringify(decides)).digest('hex').slice(0, 16);
  const path = join(folder, 'evaluation', `${id.replaceAll(/[ ,]+/g, '-')}-${digest}.json`);
  const kept = await readFile(path, 'utf8').catch(() => null);
  if (kept !== null) return JSON.parse(kept) as Measures;
  const report = (stage: string, done: number, total: number): void =>
    onProgress?.({ stage: `compare: ${stage}`, done, total, values: {} });
  const options = { ...set, onProgress: report, ...(signal && { signal }) };
  const { measures } = await evaluateContestant(nets, { id, net, kind }, options);
  await mkdir(join(folder, 'evaluation'), { recursive: true });
  await writeAtomic(path, JSON.stringify(measures));
  return measures;
}

/** Measures of the world itself for the same prompts. */
function judgedReal(
  { recipe, world, onProgress, signal }: CompareAllOptions,
  nets: Networks,
  { prompts, seeds }: PromptSet,
): Promise<Measures> {
  const clips = Array.from({ length: REAL_DRAWS * seeds }, (_, i) => realClips(world, prompts, recipe.seed + i));
  const total = clips.length * prompts.length;
  let done = 0;
  return measure(nets, clips, prompts, () => {
    signal?.throwIfAborted();
    onProgress?.({ stage: 'compare: real clips', done: ++done, total, values: {} });
  });
}
