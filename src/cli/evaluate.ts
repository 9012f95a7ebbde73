/** `reward-forcing evaluate`: measures a folder of videos of any model, into JSON, a table and a page with clips. */
import { basename, extname, join, resolve } from 'node:path';
import { DIMENSIONS, readVBenchSuite, shrinking, underSuite } from '../evaluate/internal.ts';
import { evaluate, io, show } from '../index.ts';
import { findFfmpeg, prepareFolder } from '../io/internal.ts';
import { interruptible, UsageError } from './failure.ts';
import { ProgressLine } from './progress.ts';
import { type EngineFlags, startEngine } from './start-engine.ts';

export interface EvaluateFlags extends EngineFlags {
  out: string;
  manifest?: string;
  suite?: string;
  weights?: string;
  dimensions?: readonly evaluate.Dimension[];
  results?: string;
  vbench?: string;
  clips: number;
  maxFrames?: number;
}

/** Evaluates a folder; writes videos.jsonl (a line a video), summary.json, table.txt and report.html. */
export async function evaluateFolder(folder: string, flags: EvaluateFlags): Promise<void> {
  const out = resolve(flags.out);
  const videos = await listed(folder, flags);
  await checkReadable(videos);
  await prepareFolder(out);
  await startEngine(flags);
  await interruptible(async (signal) => {
    const task: Task = { folder, videos, out, flags, signal };
    const imported = await foreignScores(task);
    const groups = await openGroups(flags);
    const line = new ProgressLine();
    const results = await measureAll(task, groups, line);
    line.end();
    const columns = groups.flatMap((group) => group.columns);
    const summary = evaluate.summariseVideos(results, columns, imported);
    await writeAll(task, summary, results);
    if (summary.videos === 0) throw new Error(`none of the ${results.length} videos in ${folder} could be read`);
  });
}

interface Task {
  folder: string;
  videos: readonly evaluate.VideoEntry[];
  out: string;
  flags: EvaluateFlags;
  signal: AbortSignal;
}

/** The videos, and of which dimensions if a list of VBench's prompts is given; what does not fit together is told. */
async function listed(folder: string, { manifest, suite }: EvaluateFlags): Promise<readonly evaluate.VideoEntry[]> {
  const found = await evaluate.listVideos(folder, manifest);
  if (suite === undefined) return found;
  const { videos, unlisted, missing } = underSuite(found, await readVBenchSuite(suite));
  if (unlisted.length === found.length) throw new UsageError(`no video in ${folder} is of a prompt in ${suite}`);
  const tell = (what: string, names: readonly string[]): void => {
    if (names.length > 0) process.stderr.write(`${what}: ${names.length}, such as "${names[0]}"\n`);
  };
  tell(`videos of prompts that are not in ${suite}, which count for no dimension of VBench`, unlisted);
  tell(`prompts of ${suite} without a video`, missing);
  return videos;
}

/** Without ffmpeg an MP4 file would look broken; say so before anything is done. */
async function checkReadable(videos: readonly evaluate.VideoEntry[]): Promise<void> {
  const other = videos.find(({ file }) => !['.webp', '.gif'].includes(extname(file).toLowerCase()));
  if (!other || (await findFfmpeg()) !== null) return;
  throw new UsageError(`reading "${other.file}" needs ffmpeg: install one, or name it in FFMPEG_BIN`);
}

/** Weight-free measures always; official dimensions where a folder of weights is given. */
async function openGroups({ weights, dimensions }: EvaluateFlags): Promise<evaluate.MeasureGroup[]> {
  const free = evaluate.weightFreeMeasures();
  const unknown = dimensions?.filter((name) => !evaluate.DIMENSION_NAMES.includes(name)) ?? [];
  if (unknown.length > 0) {
    throw new UsageError(`no dimension "${unknown.join(', ')}": use ${evaluate.DIMENSION_NAMES.join(', ')}`);
  }
  if (weights === undefined) {
    if (dimensions) throw new UsageError(`--dimensions ${dimensions.join(',')} needs --weights FOLDER`);
    return [free];
  }
  return [free, ...(await evaluate.officialMeasures(weights, dimensions ? { dimensions } : {}))];
}

/** Scores that VBench itself has found or finds now. */
async function foreignScores(task: Task): Promise<evaluate.DimensionScores> {
  const { out, signal } = task;
  const { results, vbench } = task.flags;
  const before = results === undefined ? {} : (await evaluate.importVBenchResults(results)).scores;
  if (vbench === undefined) return before;
  const dimensions = evaluate
    .dimensionTable()
    .flatMap((row) => (row.status === 'through VBench' ? [row.dimension] : []));
  const onOutput = (text: string): void => void process.stderr.write(text);
  const [videos, output] = [await namedFolder(task), join(out, 'vbench')];
  const { scores } = await evaluate.runVBench({ videos, dimensions, output, command: [vbench], signal, onOutput });
  return { ...before, ...scores };
}

/** A folder of the videos under VBench's names: the given one, or copies of what a manifest lists. */
async function namedFolder({ folder, videos, out, flags: { manifest } }: Task): Promise<string> {
  if (manifest === undefined) return resolve(folder);
  const counts = new Map<string, number>();
  const named = videos.map(({ file, prompt, seed }) => {
    const index = counts.get(prompt) ?? 0;
    counts.set(prompt, index + 1);
    return { prompt, index, seed, video: resolve(folder, file) };
  });
  const copies = join(out, 'vbench-videos');
  await evaluate.exportForVBench(named, copies);
  return copies;
}

async function measureAll(
  { folder, videos, out, flags: { maxFrames }, signal }: Task,
  groups: readonly evaluate.MeasureGroup[],
  line: ProgressLine,
): Promise<evaluate.VideoResult[]> {
  const journal = join(out, 'videos.jsonl');
  const options = { folder, videos, groups, journal, signal, ...(maxFrames !== undefined && { maxFrames }) };
  const run = evaluate.evaluateVideos(options);
  const broken = new Set<string>();
  for (;;) {
    const next = await run.next();
    if (next.done) return next.value;
    const { done, total, result } = next.value;
    if (result.broken !== undefined && !broken.has(result.file)) {
      broken.add(result.file);
      line.say(`skipped ${result.file}: ${result.broken}`);
    }
    line.update({ stage: 'evaluate', done, total, values: { broken: broken.size } });
  }
}

type Results = readonly evaluate.VideoResult[];

async function writeAll(task: Task, summary: evaluate.EvaluationSummary, results: Results): Promise<void> {
  const { out, folder, flags } = task;
  const told = { folder: basename(resolve(folder)), maxFrames: flags.maxFrames, ...summary };
  await io.writeAtomic(join(out, 'summary.json'), `${JSON.stringify(told, null, 2)}\n`);
  const text = [measureTable(summary), vbenchFigure(summary.vbench)].map((figure) => figure.toText()).join('\n\n');
  const totals = totalsText(summary.vbench, flags);
  await io.writeAtomic(join(out, 'table.txt'), `${text}\n\n${totals}\n`);
  await (await page(task, summary, results)).save(join(out, 'report.html'));
  const skipped = summary.broken.length > 0 ? `, ${summary.broken.length} broken and skipped` : '';
  process.stdout.write(`${text}\n\n${totals}\n\n${counted(summary)}${skipped}\n`);
  process.stdout.write(`wrote ${join(out, 'report.html')}, summary.json, table.txt and videos.jsonl\n`);
}

function counted({ videos, prompts }: evaluate.EvaluationSummary): string {
  const count = (n: number, noun: string): string => `${n} ${noun}${n === 1 ? '' : 's'}`;
  return `${count(videos, 'video')} of ${count(prompts, 'prompt')}`;
}

function measureTable({ measures }: evaluate.EvaluationSummary): show.Figure {
  const rows = measures.map(({ name, value, interval, videos, officialEquivalent }) => ({
    measure: name,
    value,
    low: interval?.low ?? null,
    high: interval?.high ?? null,
    videos,
    "VBench's own": officialEquivalent ? 'yes' : 'no',
  }));
  return show.table(rows, { title: 'Measures, with 95 % intervals over prompts' });
}

/** What each measure is, and the files of weights behind it by the first digits of their SHA-256. */
function sourcesTable({ measures }: evaluate.EvaluationSummary): show.Figure {
  const rows = measures.map(({ name, variant, weights = {} }) => {
    const files = Object.entries(weights).map(([file, hash]) => `${file} ${hash.slice(0, 12)}`);
    return { measure: name, 'how it is made': variant, weights: files.join(', ') || null };
  });
  return show.table(rows);
}

function vbenchFigure({ rows }: evaluate.VBenchTable): show.Figure {
  const shown = rows.map(({ dimension, by, status, missing, raw, normalised, videos, prompts }) => ({
    dimension,
    by,
    status: missing.length > 0 ? `${status}: ${missing.join(', ')}` : status,
    raw,
    normalised,
    videos,
    prompts,
  }));
  return show.table(shown, { title: 'The 16 dimensions of VBench' });
}

function totalsText({ rows, totals }: evaluate.VBenchTable, { suite }: EvaluateFlags): string {
  const { normalised, quality, semantic, total, missing } = totals;
  const score = (value: number | null): string => (value === null ? 'not known' : value.toFixed(4));
  const part = (group: 'quality' | 'semantic', value: number | null): string => {
    const all = evaluate.DIMENSION_NAMES.filter((name) => DIMENSIONS[name].group === group);
    const known = all.filter((name) => normalised[name] !== undefined).length;
    const share = known > 0 && known < all.length ? ` (by ${known} of ${all.length} dimensions)` : '';
    return `${group} ${score(value)}${share}`;
  };
  const named = missing.length > 6 ? `${missing.length} of the 16 dimensions` : missing.join(', ');
  const why = missing.length > 0 ? ` (no total without ${named})` : '';
  const isOwn = suite === undefined && rows.some(({ status, raw }) => status === 'computed' && raw !== null);
  const own = isOwn
    ? '. What is computed here is the mean over all videos; the leaderboard takes each dimension over prompts of its own ' +
      '(--suite VBench_full_info.json)'
    : '';
  return `VBench: ${part('quality', quality)}, ${part('semantic', semantic)}, total ${score(total)}${why}${own}`;
}

async function page(task: Task, summary: evaluate.EvaluationSummary, results: Results): Promise<show.Report> {
  const { folder, flags } = task;
  const broken = summary.broken.map(({ file, reason }) => `\`${file}\`: ${reason}`).join('\n\n');
  const sections: show.ReportSection[] = [
    { title: 'Measures', figures: [measureTable(summary)] },
    { title: 'VBench', text: totalsText(summary.vbench, flags), figures: [vbenchFigure(summary.vbench)] },
    { title: 'Clips', figures: await clipFigures(folder, results, flags) },
    { title: 'How each number was made', figures: [sourcesTable(summary)] },
  ];
  const { maxFrames } = flags;
  const limit = maxFrames === undefined ? '' : ` Of each video the first ${maxFrames} frames were read.`;
  if (broken !== '') sections.splice(1, 0, { title: 'Videos that could not be read', text: broken });
  return show.report({
    title: `Evaluation of ${basename(resolve(folder))}`,
    summary: `${counted(summary)}; videos that could not be read, which count nowhere: ${summary.broken.length}.${limit}`,
    sections,
  });
}

/** Seconds of a clip that the page carries. */
const SHOWN_SECONDS = 10;

/** The first videos side by side, shrunk: the page carries them, so only some are shown, and of long ones the start. */
async function clipFigures(folder: string, results: Results, flags: EvaluateFlags): Promise<show.CaptionedFigure[]> {
  const { clips: most, maxFrames } = flags;
  const clips: Record<string, io.Clip> = {};
  let isCut = false;
  const whole = results.filter(({ broken }) => broken === undefined);
  for (const { file, prompt, seed, frames, fps } of whole.slice(0, most)) {
    const shown = Math.min(maxFrames ?? Number.POSITIVE_INFINITY, Math.ceil(SHOWN_SECONDS * fps!));
    const video = await io.openVideo(resolve(folder, file), { maxFrames: shown });
    const { see, result } = shrinking(video, 128);
    for await (const frame of video) see(frame);
    clips[`${prompt} (${seed})`] = result();
    isCut ||= shown < frames!;
  }
  if (Object.keys(clips).length === 0) return [];
  const caption = isCut ? { caption: `Of clips that are longer the first ${SHOWN_SECONDS} seconds.` } : {};
  return [{ figure: show.clip(clips), ...caption }];
}
