/** VBench's dimensions on official weights, as measures. */
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { basename } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { loadAmt } from '../../model/amt/index.ts';
import { openCheckpoint } from '../../model/checkpoint.ts';
import { type ClipTokenizer, loadClip, openClipTokenizer } from '../../model/clip/index.ts';
import { loadDino } from '../../model/dino/index.ts';
import { loadMusiq } from '../../model/musiq/index.ts';
import { loadRaft } from '../../model/raft/index.ts';
import { loadViclip } from '../../model/viclip/index.ts';
import { type CheckpointEntries, fromFile, type Weights } from '../../nn/index.ts';
import { loadAestheticHead } from '../../reward/index.ts';
import type { Dimension } from '../vbench/dimensions.ts';
import {
  aestheticQuality,
  appearanceStyle,
  backgroundConsistency,
  imagingQuality,
  subjectConsistency,
} from '../vbench/looks.ts';
import { motionSmoothness, raftDynamicDegree, temporalFlickering } from '../vbench/motion-official.ts';
import {
  type DimensionStatus,
  dimensionTable,
  findOfficialFiles,
  type OfficialConfigs,
  type OfficialFile,
  officialConfigs,
  RECIPES,
} from '../vbench/status.ts';
import { videoTextConsistency } from '../vbench/video-text.ts';
import type { MeasureColumn, Measured, MeasuredVideo, MeasureGroup, OpenMeasures } from './measures.ts';

/** Which dimensions are opened, and with which sizes. */
export interface OfficialOptions {
  /** Default: all that the files allow. */
  readonly dimensions?: readonly Dimension[];
  /** Sizes of the networks; default the published ones. */
  readonly configs?: OfficialConfigs;
}

/** What dimensions ask for: of one group only its own files are there. */
interface Opened {
  readonly weights: Readonly<Record<Exclude<OfficialFile, 'tokenizer'>, Weights>>;
  readonly tokenizer: ClipTokenizer;
  readonly configs: OfficialConfigs;
}

type Score = (video: MeasuredVideo, opened: Opened) => Promise<Measured>;

/** How each dimension that is computed here is computed. */
const SCORES: Readonly<Partial<Record<Dimension, Score>>> = {
  subject_consistency: ({ clip }, { weights, configs }) =>
    subjectConsistency(clip, { weights: weights.dino, config: configs.dino }),
  background_consistency: ({ clip }, { weights, configs }) =>
    backgroundConsistency(clip, { weights: weights.clipBase, config: configs.clipBase }),
  temporal_flickering: ({ clip }, { weights, configs }) =>
    temporalFlickering(clip, { weights: weights.raft, config: configs.raft }),
  motion_smoothness: ({ clip }, { weights, configs }) =>
    motionSmoothness(clip, { weights: weights.amt, config: configs.amt }),
  dynamic_degree: async ({ clip }, { weights, configs }) => {
    const { moving } = await raftDynamicDegree(clip, { weights: weights.raft, config: configs.raft });
    return { score: moving ? 1 : 0, weight: 1 };
  },
  aesthetic_quality: ({ clip }, { weights, configs }) =>
    aestheticQuality(clip, { weights: weights.clipLarge, config: configs.clipLarge }, weights.aesthetic),
  imaging_quality: ({ clip }, { weights, configs }) =>
    imagingQuality(clip, { weights: weights.musiq, config: configs.musiq }),
  appearance_style: async ({ clip, style }, { weights, configs, tokenizer }) => {
    if (style === undefined) return null;
    return appearanceStyle(clip, style, { weights: weights.clipBase, config: configs.clipBase }, tokenizer);
  },
  temporal_style: textScore,
  overall_consistency: textScore,
};

function textScore({ clip, prompt }: MeasuredVideo, { weights, configs, tokenizer }: Opened): Promise<Measured> {
  return videoTextConsistency(clip, prompt, { weights: weights.viclip, config: configs.viclip }, tokenizer);
}

/**
 * The dimensions whose files are in a folder (VBench's cache folder will do), those of one network in one group: weights
 * are in memory only while their group is open. Each file is opened once here, so that one that does not fit fails now
 * and not after hours.
 *
 * @throws Error for a dimension asked for whose files are missing or that is not computed here; on files that do not fit.
 */
export async function officialMeasures(folder: string, options: OfficialOptions = {}): Promise<MeasureGroup[]> {
  const found = await findOfficialFiles(folder);
  const { configs = officialConfigs } = options;
  const wanted = wantedDimensions(dimensionTable(found), folder, options.dimensions);
  const hashes = await hashesOf(new Set(wanted.flatMap((dimension) => RECIPES[dimension].files)), found);
  const groups = byNetwork(wanted).map((dimensions): MeasureGroup => {
    const files = new Set(dimensions.flatMap((dimension) => RECIPES[dimension].files));
    return {
      columns: dimensions.map((name) => columnOf(name, configs, hashes)),
      appliesTo: (video) => dimensions.some((dimension) => counts(video, dimension)),
      open: async () => measuresOn(await openFiles(files, found, configs), dimensions),
    };
  });
  for (const group of groups) (await group.open()).dispose();
  return groups;
}

function wantedDimensions(
  rows: readonly DimensionStatus[],
  folder: string,
  wanted: readonly Dimension[] | undefined,
): readonly Dimension[] {
  if (wanted === undefined) return rows.flatMap(({ dimension, status }) => (status === 'computed' ? [dimension] : []));
  for (const { dimension, status, missing } of rows) {
    if (!wanted.includes(dimension) || status === 'computed') continue;
    const why = status === 'needs weights' ? `needs ${missing.join(', ')} in ${folder}` : 'is computed by VBench alone';
    throw new Error(`${dimension} ${why}`);
  }
  return wanted;
}

/** Dimensions that share a network, its file being the first of their recipe. */
function byNetwork(dimensions: readonly Dimension[]): Dimension[][] {
  const groups = new Map<OfficialFile, Dimension[]>();
  for (const dimension of dimensions) {
    const network = RECIPES[dimension].files[0]!;
    groups.set(network, [...(groups.get(network) ?? []), dimension]);
  }
  return [...groups.values()];
}

function columnOf(name: Dimension, configs: OfficialConfigs, hashes: Hashes): MeasureColumn {
  return {
    name,
    variant: `VBench's ${name} by ${RECIPES[name].by}, fp32`,
    officialEquivalent: configs === officialConfigs,
    better: 'higher',
    ...(name === 'dynamic_degree' && { isShare: true }),
    ...(name === 'temporal_flickering' && { mostPerPrompt: 5 }),
    weights: Object.fromEntries(RECIPES[name].files.map((file) => hashes.get(file)!)),
  };
}

function measuresOn(opened: Opened, dimensions: readonly Dimension[]): OpenMeasures {
  return {
    measure: (video) => measureAll(dimensions, video, opened),
    dispose: () => {
      for (const held of Object.values(opened.weights)) held.dispose();
    },
  };
}

/** All dimensions of a video; two that are one number on one prompt are computed once. */
async function measureAll(
  wanted: readonly Dimension[],
  video: MeasuredVideo,
  opened: Opened,
): Promise<Record<string, Measured>> {
  const known = new Map<Score, Measured>();
  const values: Record<string, Measured> = {};
  for (const dimension of wanted) {
    const score = counts(video, dimension) ? SCORES[dimension]! : nothing;
    if (!known.has(score)) known.set(score, await score(video, opened));
    values[dimension] = known.get(score)!;
  }
  return values;
}

/** Whether a video counts for a dimension. */
function counts({ dimensions }: Pick<MeasuredVideo, 'dimensions'>, dimension: Dimension): boolean {
  return dimensions === undefined || dimensions.includes(dimension);
}

const nothing: Score = async () => null;

type Loader = (entries: CheckpointEntries) => Promise<Weights>;

function loaders(configs: OfficialConfigs): Record<Exclude<OfficialFile, 'tokenizer'>, Loader> {
  const frozen = { trainable: false };
  return {
    dino: (entries) => loadDino(configs.dino, entries, frozen),
    clipBase: (entries) => loadClip(configs.clipBase, entries, frozen),
    clipLarge: (entries) => loadClip(configs.clipLarge, entries, { ...frozen, towers: 'vision' }),
    aesthetic: (entries) => loadAestheticHead(entries),
    musiq: (entries) => loadMusiq(configs.musiq, entries, frozen),
    amt: (entries) => loadAmt(configs.amt, entries, frozen),
    raft: (entries) => loadRaft(configs.raft, entries, frozen),
    viclip: (entries) => loadViclip(configs.viclip, entries, frozen),
  };
}

async function openFiles(
  files: ReadonlySet<OfficialFile>,
  found: ReadonlyMap<OfficialFile, string>,
  configs: OfficialConfigs,
): Promise<Opened> {
  const load = loaders(configs);
  const weights: Partial<Record<OfficialFile, Weights>> = {};
  try {
    for (const file of files) {
      if (file === 'tokenizer') continue;
      weights[file] = await fromFile(found.get(file)!, async (path) =>
        load[file]((await openCheckpoint(path)).entries()),
      );
    }
    const tokenizer = files.has('tokenizer') ? await openClipTokenizer(found.get('tokenizer')!) : null;
    return { weights, tokenizer, configs } as Opened;
  } catch (error) {
    for (const held of Object.values(weights)) held.dispose();
    throw error;
  }
}

type Hashes = ReadonlyMap<OfficialFile, readonly [string, string]>;

/** Name and SHA-256 of each file. */
async function hashesOf(files: ReadonlySet<OfficialFile>, found: ReadonlyMap<OfficialFile, string>): Promise<Hashes> {
  const hashes = new Map<OfficialFile, [string, string]>();
  for (const file of files) {
    const path = found.get(file)!;
    const hash = createHash('sha256');
    await pipeline(createReadStream(path), hash);
    hashes.set(file, [basename(path), hash.digest('hex')]);
  }
  return hashes;
}
