/** VBench's dimensions on official weights, as measures. */
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { basename } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { type AmtConfig, amt } from '../../model/amt/index.ts';
import { openCheckpoint } from '../../model/checkpoint.ts';
import { type ClipConfig, type ClipTokenizer, clip, openClipTokenizer } from '../../model/clip/index.ts';
import { type DinoConfig, dino } from '../../model/dino/index.ts';
import { type MusiqConfig, musiq } from '../../model/musiq/index.ts';
import { type RaftConfig, raft } from '../../model/raft/index.ts';
import { type ViclipConfig, viclip } from '../../model/viclip/index.ts';
import { type CheckpointEntries, fromFile, type Net } from '../../nn/index.ts';
import { type AestheticHeadConfig, loadAestheticHead } from '../../reward/index.ts';
import {
  aestheticQuality,
  appearanceStyle,
  backgroundConsistency,
  type Dimension,
  type DimensionStatus,
  dimensionTable,
  findOfficialFiles,
  imagingQuality,
  motionSmoothness,
  type OfficialConfigs,
  type OfficialFile,
  officialConfigs,
  RECIPES,
  raftDynamicDegree,
  subjectConsistency,
  temporalFlickering,
  videoTextConsistency,
} from '../vbench/index.ts';
import type { MeasureColumn, Measured, MeasuredVideo, MeasureGroup, OpenMeasures } from './measures.ts';

/** Which dimensions are opened, and with which sizes. */
export interface OfficialOptions {
  /** Default: all that the files allow. */
  readonly dimensions?: readonly Dimension[];
  /** Sizes of the networks; default the published ones. */
  readonly configs?: OfficialConfigs;
}

/** The networks of the dimensions. */
interface OfficialNets {
  readonly dino: Net<DinoConfig>;
  readonly clipBase: Net<ClipConfig>;
  readonly clipLarge: Net<ClipConfig>;
  readonly aesthetic: Net<AestheticHeadConfig>;
  readonly musiq: Net<MusiqConfig>;
  readonly amt: Net<AmtConfig>;
  readonly raft: Net<RaftConfig>;
  readonly viclip: Net<ViclipConfig>;
}

/** What dimensions ask for: of one group only its own files are there. */
interface Opened {
  readonly nets: OfficialNets;
  readonly tokenizer: ClipTokenizer;
}

type Score = (video: MeasuredVideo, opened: Opened) => Promise<Measured>;

/** How each dimension that is computed here is computed. */
const SCORES: Readonly<Partial<Record<Dimension, Score>>> = {
  subject_consistency: ({ clip }, { nets }) => subjectConsistency(clip, nets.dino),
  background_consistency: ({ clip }, { nets }) => backgroundConsistency(clip, nets.clipBase),
  temporal_flickering: ({ clip }, { nets }) => temporalFlickering(clip, nets.raft),
  motion_smoothness: ({ clip }, { nets }) => motionSmoothness(clip, nets.amt),
  dynamic_degree: async ({ clip }, { nets }) => {
    const { moving } = await raftDynamicDegree(clip, nets.raft);
    return { score: moving ? 1 : 0, weight: 1 };
  },
  aesthetic_quality: ({ clip }, { nets }) => aestheticQuality(clip, nets.clipLarge, nets.aesthetic),
  imaging_quality: ({ clip }, { nets }) => imagingQuality(clip, nets.musiq),
  appearance_style: async ({ clip, style }, { nets, tokenizer }) => {
    return style === undefined ? null : appearanceStyle(clip, style, nets.clipBase, tokenizer);
  },
  temporal_style: textScore,
  overall_consistency: textScore,
};

function textScore({ clip, prompt }: MeasuredVideo, { nets, tokenizer }: Opened): Promise<Measured> {
  return videoTextConsistency(clip, prompt, nets.viclip, tokenizer);
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
      for (const held of Object.values(opened.nets)) held.dispose();
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

type Loaders = { [File in keyof OfficialNets]: (entries: CheckpointEntries) => Promise<OfficialNets[File]> };

function loaders(configs: OfficialConfigs): Loaders {
  const frozen = { trainable: false };
  return {
    dino: (entries) => dino.load(configs.dino, entries, frozen),
    clipBase: (entries) => clip.load(configs.clipBase, entries, frozen),
    clipLarge: (entries) => clip.load({ ...configs.clipLarge, towers: 'vision' }, entries, frozen),
    aesthetic: (entries) => loadAestheticHead(entries),
    musiq: (entries) => musiq.load(configs.musiq, entries, frozen),
    amt: (entries) => amt.load(configs.amt, entries, frozen),
    raft: (entries) => raft.load(configs.raft, entries, frozen),
    viclip: (entries) => viclip.load(configs.viclip, entries, frozen),
  };
}

async function openFiles(
  files: ReadonlySet<OfficialFile>,
  found: ReadonlyMap<OfficialFile, string>,
  configs: OfficialConfigs,
): Promise<Opened> {
  const load = loaders(configs);
  const nets: Partial<Record<keyof OfficialNets, { dispose(): void }>> = {};
  try {
    for (const file of files) {
      if (file === 'tokenizer') continue;
      nets[file] = await fromFile(found.get(file)!, async (path) => load[file]((await openCheckpoint(path)).entries()));
    }
    const tokenizer = files.has('tokenizer') ? await openClipTokenizer(found.get('tokenizer')!) : null;
    return { nets, tokenizer } as Opened;
  } catch (error) {
    for (const held of Object.values(nets)) held.dispose();
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
