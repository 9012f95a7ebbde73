/** VBench's dimensions on official weights, as measures. */
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import { basename } from 'node:path';
import { pipeline } from 'node:stream/promises';
import {
  amt,
  type ClipTokenizer,
  clip,
  dino,
  musiq,
  openCheckpoint,
  openClipTokenizer,
  raft,
  viclip,
} from '../../model/internal.ts';
import type { CheckpointEntries, Net } from '../../nn/index.ts';
import { fromFile } from '../../nn/internal.ts';
import { loadAestheticHead } from '../../reward/index.ts';
import type { AestheticHeadConfig } from '../../reward/internal.ts';
import { grouped } from '../statistics.ts';
import {
  DIMENSIONS,
  type Dimension,
  type DimensionStatus,
  dimensionTable,
  findOfficialFiles,
  type OfficialConfigs,
  type OfficialFile,
  officialConfigs,
} from '../vbench/dimensions.ts';
import {
  aestheticQuality,
  appearanceStyle,
  backgroundConsistency,
  imagingQuality,
  subjectConsistency,
  videoTextConsistency,
} from '../vbench/looks.ts';
import { motionSmoothness, raftDynamicDegree, temporalFlickering } from '../vbench/motion.ts';
import type { DynamicDegree } from '../vbench/rules.ts';
import type { Measure } from '../vbench/watch.ts';
import {
  type MeasureColumn,
  type Measured,
  type MeasuredValues,
  type MeasuredVideo,
  type MeasureGroup,
  type MeasurePart,
  type OpenMeasures,
  together,
} from './measures.ts';

export interface OfficialOptions {
  /** @defaultValue all that the files allow */
  readonly dimensions?: readonly Dimension[];
  /** Sizes of the networks. @defaultValue the published ones */
  readonly configs?: OfficialConfigs;
}

type OfficialNets = { readonly [File in keyof OfficialConfigs]: Net<OfficialConfigs[File]> } & {
  readonly aesthetic: Net<AestheticHeadConfig>;
};

/** What dimensions ask for: of one group only its own files are there. */
interface Opened {
  readonly nets: OfficialNets;
  readonly tokenizer: ClipTokenizer;
}

/** A dimension on a video; null where it says nothing about it. */
type Start = (video: MeasuredVideo, opened: Opened) => Measure<Measured> | null;

const STARTS: Readonly<Partial<Record<Dimension, Start>>> = {
  subject_consistency: (_, { nets }) => subjectConsistency(nets.dino),
  background_consistency: (_, { nets }) => backgroundConsistency(nets.clipBase),
  temporal_flickering: (_, { nets }) => temporalFlickering(nets.raft),
  motion_smoothness: (_, { nets }) => motionSmoothness(nets.amt),
  dynamic_degree: (_, { nets }) => asShare(raftDynamicDegree(nets.raft)),
  aesthetic_quality: (_, { nets }) => aestheticQuality(nets.clipLarge, nets.aesthetic),
  imaging_quality: (_, { nets }) => imagingQuality(nets.musiq),
  appearance_style: ({ style }, { nets, tokenizer }) => {
    return style === undefined ? null : appearanceStyle(style, nets.clipBase, tokenizer);
  },
  temporal_style: textStart,
  overall_consistency: textStart,
};

function textStart({ prompt }: MeasuredVideo, { nets, tokenizer }: Opened): Measure<Measured> {
  return videoTextConsistency(prompt, nets.viclip, tokenizer);
}

function asShare(measure: Measure<DynamicDegree>): Measure<Measured> {
  return (video) => {
    const watch = measure(video);
    const share = ({ moving }: DynamicDegree): Measured => ({ score: moving ? 1 : 0, weight: 1 });
    return { see: watch.see, result: async () => share(await watch.result()) };
  };
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
  const hashes = await hashesOf(new Set(wanted.flatMap((dimension) => DIMENSIONS[dimension].files)), found);
  const networks = grouped(wanted, (dimension) => DIMENSIONS[dimension].files[0]);
  const groups = [...networks.values()].map((dimensions): MeasureGroup => {
    const files = new Set(dimensions.flatMap((dimension) => DIMENSIONS[dimension].files));
    return {
      columns: dimensions.map((name) => columnOf(name, configs, hashes)),
      sizeBytes: [...files].reduce((sum, file) => sum + hashes.get(file)!.sizeBytes, 0),
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

function columnOf(name: Dimension, configs: OfficialConfigs, hashes: Hashes): MeasureColumn {
  return {
    name,
    variant: `VBench's ${name} by ${DIMENSIONS[name].by}, fp32`,
    officialEquivalent: configs === officialConfigs,
    better: 'higher',
    ...(name === 'dynamic_degree' && { isShare: true }),
    ...(name === 'temporal_flickering' && { mostPerPrompt: 5 }),
    weights: Object.fromEntries(
      DIMENSIONS[name].files.map((file) => [hashes.get(file)!.name, hashes.get(file)!.sha256]),
    ),
  };
}

function measuresOn(opened: Opened, dimensions: readonly Dimension[]): OpenMeasures {
  return {
    needsFrames: dimensions.some((dimension) => STARTS[dimension] === textStart),
    start: (video) => together(startsOf(dimensions, video, opened)),
    dispose: () => {
      for (const held of Object.values(opened.nets)) held.dispose();
    },
  };
}

/** All dimensions of a video; two that are one number on one prompt are computed once. */
function startsOf(dimensions: readonly Dimension[], video: MeasuredVideo, opened: Opened): MeasurePart[] {
  const columns = grouped(dimensions, (dimension) => (counts(video, dimension) ? STARTS[dimension]! : nothing));
  return [...columns].map(([start, names]) => ({
    columns: names,
    start: () => {
      const watch = start(video, opened)?.(video);
      const all = (value: Measured): MeasuredValues => {
        return { values: Object.fromEntries(names.map((name) => [name, value])), notes: {} };
      };
      return { see: (frame) => watch?.see(frame), result: async () => all(watch ? await watch.result() : null) };
    },
  }));
}

function counts({ dimensions }: Pick<MeasuredVideo, 'dimensions'>, dimension: Dimension): boolean {
  return dimensions === undefined || dimensions.includes(dimension);
}

const nothing: Start = () => null;

const architectures = { dino, clipBase: clip, clipLarge: clip, musiq, amt, raft, viclip } as const;

/** A network from its file; of CLIP large the image tower alone. */
async function load(
  file: keyof OfficialNets,
  entries: CheckpointEntries,
  configs: OfficialConfigs,
): Promise<OfficialNets[keyof OfficialNets]> {
  if (file === 'aesthetic') return loadAestheticHead(entries);
  const config = file === 'clipLarge' ? { ...configs.clipLarge, towers: 'vision' } : configs[file];
  return architectures[file].load(config as never, entries, { trainable: false });
}

async function openFiles(
  files: ReadonlySet<OfficialFile>,
  found: ReadonlyMap<OfficialFile, string>,
  configs: OfficialConfigs,
): Promise<Opened> {
  const nets: Partial<Record<keyof OfficialNets, { dispose(): void }>> = {};
  try {
    for (const file of files) {
      if (file === 'tokenizer') continue;
      const open = async (path: string) => load(file, (await openCheckpoint(path)).entries(), configs);
      nets[file] = await fromFile(found.get(file)!, open);
    }
    const tokenizer = files.has('tokenizer') ? await openClipTokenizer(found.get('tokenizer')!) : null;
    return { nets, tokenizer } as Opened;
  } catch (error) {
    for (const held of Object.values(nets)) held.dispose();
    throw error;
  }
}

type Hashes = ReadonlyMap<OfficialFile, { readonly name: string; readonly sha256: string; readonly sizeBytes: number }>;

async function hashesOf(files: ReadonlySet<OfficialFile>, found: ReadonlyMap<OfficialFile, string>): Promise<Hashes> {
  const hashes = new Map<OfficialFile, { name: string; sha256: string; sizeBytes: number }>();
  for (const file of files) {
    const path = found.get(file)!;
    const hash = createHash('sha256');
    await pipeline(createReadStream(path), hash);
    const { size } = await stat(path);
    hashes.set(file, { name: basename(path), sha256: hash.digest('hex'), sizeBytes: size });
  }
  return hashes;
}
