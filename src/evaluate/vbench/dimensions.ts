/** VBench's 16 dimensions: how they enter the totals, and which can be computed here, from which files. */
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import {
  type AmtConfig,
  amtPresets,
  type ClipConfig,
  clipPresets,
  type DinoConfig,
  dinoPresets,
  type MusiqConfig,
  musiqPresets,
  type RaftConfig,
  raftPresets,
  type ViclipConfig,
  viclipPresets,
} from '../../model/internal.ts';

/** Sizes of the networks; other than the published ones only for tests and smaller models. */
export interface OfficialConfigs {
  readonly dino: DinoConfig;
  readonly clipBase: ClipConfig;
  readonly clipLarge: ClipConfig;
  readonly musiq: MusiqConfig;
  readonly amt: AmtConfig;
  readonly raft: RaftConfig;
  readonly viclip: ViclipConfig;
}

export const officialConfigs: OfficialConfigs = {
  dino: dinoPresets.dino_vitb16,
  clipBase: clipPresets['vit-b-32'],
  clipLarge: clipPresets['vit-l-14'],
  musiq: musiqPresets.spaq,
  amt: amtPresets.amt_s,
  raft: raftPresets.raft_large,
  viclip: viclipPresets.l14,
};

/** A file that official dimensions read, by our name for it. */
export type OfficialFile = keyof OfficialConfigs | 'aesthetic' | 'tokenizer';

/** Names under which each file is found in a folder of weights or below it; the first is the one VBench downloads. */
export const OFFICIAL_FILES: Readonly<Record<OfficialFile, readonly string[]>> = {
  dino: ['dino_vitbase16_pretrain.pth', 'dino_vitbase16_pretrain.safetensors'],
  clipBase: ['ViT-B-32.pt', 'clip-vit-base-patch32.safetensors'],
  clipLarge: ['ViT-L-14.pt', 'clip-vit-large-patch14.safetensors'],
  aesthetic: ['sa_0_4_vit_l_14_linear.pth', 'sa_0_4_vit_l_14_linear.safetensors'],
  musiq: ['musiq_spaq_ckpt-358bb6af.pth', 'musiq_spaq.safetensors'],
  amt: ['amt-s.pth', 'amt-s.safetensors'],
  raft: ['raft-things.pth', 'raft-things.safetensors'],
  viclip: ['ViClip-InternVid-10M-FLT.pth', 'ViClip-InternVid-10M-FLT.safetensors'],
  tokenizer: ['clip-tokenizer.json', 'tokenizer.json'],
};

/** VBench's own name of a dimension. */
export type Dimension =
  | 'subject_consistency'
  | 'background_consistency'
  | 'temporal_flickering'
  | 'motion_smoothness'
  | 'dynamic_degree'
  | 'aesthetic_quality'
  | 'imaging_quality'
  | 'object_class'
  | 'multiple_objects'
  | 'human_action'
  | 'color'
  | 'spatial_relationship'
  | 'scene'
  | 'appearance_style'
  | 'temporal_style'
  | 'overall_consistency';

/** How a raw value enters the totals, and what it is computed with. */
export interface DimensionRule {
  group: 'quality' | 'semantic';
  /** Raw value that normalises to 0. */
  min: number;
  /** Raw value that normalises to 1. */
  max: number;
  weight: number;
  /** The network that scores it. */
  by: string;
  /** The files that it needs here, its network's first; without one it goes through VBench's own command line. */
  files: readonly OfficialFile[];
}

type Parts = readonly [min: number, max: number, by: string, ...files: OfficialFile[]];

function rule(group: DimensionRule['group'], [min, max, by, ...files]: Parts, weight: number = 1): DimensionRule {
  return { group, min, max, weight, by, files };
}

const quality = (...parts: Parts): DimensionRule => rule('quality', parts);
const semantic = (...parts: Parts): DimensionRule => rule('semantic', parts);

/** The 16 dimensions of VBench 1 with their published normalisation. Source: VBench scripts/constant.py. */
export const DIMENSIONS: Readonly<Record<Dimension, DimensionRule>> = {
  subject_consistency: quality(0.1462, 1, 'DINO ViT-B/16', 'dino'),
  background_consistency: quality(0.2615, 1, 'CLIP ViT-B/32', 'clipBase'),
  temporal_flickering: quality(0.6293, 1, 'pixels, RAFT for the static filter', 'raft'),
  motion_smoothness: quality(0.706, 0.9975, 'AMT-S', 'amt'),
  dynamic_degree: rule('quality', [0, 1, 'RAFT (things), 20 iterations', 'raft'], 0.5),
  aesthetic_quality: quality(0, 1, 'CLIP ViT-L/14 and LAION linear head', 'clipLarge', 'aesthetic'),
  imaging_quality: quality(0, 1, 'MUSIQ (SPAQ)', 'musiq'),
  object_class: semantic(0, 1, 'GRiT'),
  multiple_objects: semantic(0, 1, 'GRiT'),
  human_action: semantic(0, 1, 'UMT ViT-L/16'),
  color: semantic(0, 1, 'GRiT'),
  spatial_relationship: semantic(0, 1, 'GRiT'),
  scene: semantic(0, 0.8222, 'Tag2Text Swin-B'),
  appearance_style: semantic(0.0009, 0.2855, 'CLIP ViT-B/32', 'clipBase', 'tokenizer'),
  temporal_style: semantic(0, 0.364, 'ViCLIP-L', 'viclip', 'tokenizer'),
  overall_consistency: semantic(0, 0.364, 'ViCLIP-L', 'viclip', 'tokenizer'),
};

export const DIMENSION_NAMES: readonly Dimension[] = Object.keys(DIMENSIONS) as Dimension[];

/** Raw dimension values as fractions (0.71 for 71 %). */
export type DimensionScores = Partial<Record<Dimension, number>>;

export interface VBenchTotals {
  /** (raw - min) / (max - min), not clipped. */
  normalised: DimensionScores;
  /** Weighted mean over the quality dimensions given; null when none is. */
  quality: number | null;
  /** Weighted mean over the semantic dimensions given; null when none is. */
  semantic: number | null;
  /** (4 quality + semantic) / 5; null unless all 16 dimensions are given. */
  total: number | null;
  /** Dimensions that were not given. */
  missing: Dimension[];
}

/**
 * VBench totals from raw dimension values. The reference script takes a missing dimension as raw 0, which drags
 * the total down; here the total is null and `missing` says why.
 * @throws on an unknown dimension and on a value that is not a finite number.
 * Source: VBench scripts/cal_final_score.py.
 */
export function vbenchTotals(scores: DimensionScores): VBenchTotals {
  const normalised: DimensionScores = {};
  for (const [name, raw] of Object.entries(scores)) {
    const rule = DIMENSIONS[name as Dimension];
    if (!rule) throw new Error(`"${name}" is not a VBench dimension; wanted one of: ${DIMENSION_NAMES.join(', ')}`);
    if (!Number.isFinite(raw)) throw new RangeError(`${name} is ${raw}; wanted a fraction such as 0.71`);
    normalised[name as Dimension] = (raw - rule.min) / (rule.max - rule.min);
  }
  const missing = DIMENSION_NAMES.filter((name) => normalised[name] === undefined);
  const quality = groupMean(normalised, 'quality');
  const semantic = groupMean(normalised, 'semantic');
  const isWhole = missing.length === 0 && quality !== null && semantic !== null;
  return { normalised, quality, semantic, total: isWhole ? (4 * quality + semantic) / 5 : null, missing };
}

function groupMean(normalised: DimensionScores, group: DimensionRule['group']): number | null {
  let [sum, weights] = [0, 0];
  for (const name of DIMENSION_NAMES) {
    const [value, rule] = [normalised[name], DIMENSIONS[name]];
    if (value === undefined || rule.group !== group) continue;
    sum += rule.weight * value;
    weights += rule.weight;
  }
  return weights === 0 ? null : sum / weights;
}

export interface DimensionStatus {
  readonly dimension: Dimension;
  readonly group: 'quality' | 'semantic';
  /** The network that scores it. */
  readonly by: string;
  /** `computed` here, `needs weights` that are not in the folder, or `through VBench`'s command line. */
  readonly status: 'computed' | 'needs weights' | 'through VBench';
  /** Files that are missing, by the names VBench downloads them under. */
  readonly missing: readonly string[];
}

/** All 16 dimensions with their status, given the files that are there (none by default). */
export function dimensionTable(found: ReadonlyMap<OfficialFile, string> = new Map()): DimensionStatus[] {
  return DIMENSION_NAMES.map((dimension) => {
    const { files, by, group } = DIMENSIONS[dimension];
    const missing = files.filter((file) => !found.has(file)).map((file) => OFFICIAL_FILES[file][0]!);
    const status = files.length === 0 ? 'through VBench' : missing.length === 0 ? 'computed' : 'needs weights';
    return { dimension, group, by, status, missing };
  });
}

/** The official files in a folder and its subfolders (VBench's own cache folder will do). */
export async function findOfficialFiles(folder: string): Promise<Map<OfficialFile, string>> {
  const entries = await readdir(folder, { withFileTypes: true, recursive: true });
  const files = entries.filter((entry) => !entry.isDirectory());
  const paths = new Map(files.map(({ name, parentPath }) => [name, join(parentPath, name)]));
  const found = new Map<OfficialFile, string>();
  for (const [file, names] of Object.entries(OFFICIAL_FILES)) {
    const name = names.find((candidate) => paths.has(candidate));
    if (name !== undefined) found.set(file as OfficialFile, paths.get(name)!);
  }
  return found;
}
