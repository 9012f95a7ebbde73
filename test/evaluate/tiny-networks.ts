/** VBench's networks at their smallest, and folders of their files. */
import { join } from 'node:path';
import { OFFICIAL_FILES, type OfficialConfigs, officialConfigs } from '../../src/evaluate/vbench/dimensions.ts';
import { writeSafetensors } from '../../src/io/index.ts';
import { clipShapes } from '../../src/model/clip/weights.ts';
import { dinoShapes } from '../../src/model/dino/dino.ts';
import { type ClipConfig, clipPresets, type DinoConfig, dinoPresets } from '../../src/model/internal.ts';
import { raftShapes } from '../../src/model/raft/weights.ts';
import { hashedWeights } from '../model/hashed-weights.ts';
import { tinyRaft } from '../model/raft/tiny.ts';

export const tinyDino: DinoConfig = {
  ...dinoPresets.dino_vitb16,
  img_size: 32,
  embed_dim: 16,
  depth: 1,
  num_heads: 2,
};

export const tinyClip: ClipConfig = {
  ...clipPresets['vit-b-32'],
  embed_dim: 12,
  image_resolution: 32,
  vision_layers: 1,
  vision_width: 16,
  vision_heads: 2,
  vision_patch_size: 16,
  context_length: 6,
  vocab_size: 20,
  transformer_width: 8,
  transformer_heads: 2,
  transformer_layers: 1,
};

export const tinyConfigs: OfficialConfigs = {
  ...officialConfigs,
  dino: tinyDino,
  clipBase: tinyClip,
  raft: tinyRaft,
};

/** Writes the tiny DINO, CLIP and RAFT under names by which VBench's own are found. */
export async function writeTinyNetworks(folder: string): Promise<void> {
  const networks = { dino: dinoShapes(tinyDino), clipBase: clipShapes(tinyClip), raft: raftShapes(tinyRaft) };
  for (const file of ['dino', 'clipBase', 'raft'] as const) {
    const weights = hashedWeights(networks[file], 0.5);
    await writeSafetensors(join(folder, OFFICIAL_FILES[file][1]!), await weights.toHost());
    weights.dispose();
  }
}
