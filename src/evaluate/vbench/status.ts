/** Which of VBench's dimensions can be computed here, from which files, and which go through VBench itself. */
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
import { DIMENSION_NAMES, DIMENSIONS, type Dimension, type DimensionGroup } from './dimensions.ts';

/** A file that official dimensions read, by our name for it. */
export type OfficialFile =
  | 'dino'
  | 'clipBase'
  | 'clipLarge'
  | 'aesthetic'
  | 'musiq'
  | 'amt'
  | 'raft'
  | 'viclip'
  | 'tokenizer';

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

/** The networks that VBench uses. */
export const officialConfigs: OfficialConfigs = {
  dino: dinoPresets.dino_vitb16,
  clipBase: clipPresets['vit-b-32'],
  clipLarge: clipPresets['vit-l-14'],
  musiq: musiqPresets.spaq,
  amt: amtPresets.amt_s,
  raft: raftPresets.raft_large,
  viclip: viclipPresets.l14,
};

/** Where a dimension comes from. */
interface Recipe {
  readonly files: readonly OfficialFile[];
  readonly by: string;
}

const throughVBench = (by: string): Recipe => ({ files: [], by });

/** What each dimension is computed with; those without a file need VBench's own command line. */
export const RECIPES: Readonly<Record<Dimension, Recipe>> = {
  subject_consistency: { files: ['dino'], by: 'DINO ViT-B/16' },
  background_consistency: { files: ['clipBase'], by: 'CLIP ViT-B/32' },
  temporal_flickering: { files: ['raft'], by: 'pixels, RAFT for the static filter' },
  motion_smoothness: { files: ['amt'], by: 'AMT-S' },
  dynamic_degree: { files: ['raft'], by: 'RAFT (things), 20 iterations' },
  aesthetic_quality: { files: ['clipLarge', 'aesthetic'], by: 'CLIP ViT-L/14 and LAION linear head' },
  imaging_quality: { files: ['musiq'], by: 'MUSIQ (SPAQ)' },
  object_class: throughVBench('GRiT'),
  multiple_objects: throughVBench('GRiT'),
  human_action: throughVBench('UMT ViT-L/16'),
  color: throughVBench('GRiT'),
  spatial_relationship: throughVBench('GRiT'),
  scene: throughVBench('Tag2Text Swin-B'),
  appearance_style: { files: ['clipBase', 'tokenizer'], by: 'CLIP ViT-B/32' },
  temporal_style: { files: ['viclip', 'tokenizer'], by: 'ViCLIP-L' },
  overall_consistency: { files: ['viclip', 'tokenizer'], by: 'ViCLIP-L' },
};

/** One row of the table of dimensions. */
export interface DimensionStatus {
  readonly dimension: Dimension;
  readonly group: DimensionGroup;
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
    const { files, by } = RECIPES[dimension];
    const missing = files.filter((file) => !found.has(file)).map((file) => OFFICIAL_FILES[file][0]!);
    const status = files.length === 0 ? 'through VBench' : missing.length === 0 ? 'computed' : 'needs weights';
    return { dimension, group: DIMENSIONS[dimension].group, by, status, missing };
  });
}

/** The official files in a folder and its subfolders (VBench's own cache folder will do). */
export async function findOfficialFiles(folder: string): Promise<Map<OfficialFile, string>> {
  const entries = await readdir(folder, { withFileTypes: true, recursive: true });
  const paths = new Map(
    entries.filter((entry) => !entry.isDirectory()).map((e) => [e.name, join(e.parentPath, e.name)]),
  );
  const found = new Map<OfficialFile, string>();
  for (const [file, names] of Object.entries(OFFICIAL_FILES)) {
    const name = names.find((candidate) => paths.has(candidate));
    if (name !== undefined) found.set(file as OfficialFile, paths.get(name)!);
  }
  return found;
}
