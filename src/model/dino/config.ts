import type { VitSizes } from '../vit/index.ts';

/** Sizes of a DINO image tower, in the names of vision_transformer.py. */
export interface DinoConfig extends VitSizes {
  /** Side of the square images that the position table fits; others are interpolated. */
  readonly img_size: number;
}

const small = { img_size: 224, embed_dim: 384, depth: 12, num_heads: 6 };
const base = { img_size: 224, embed_dim: 768, depth: 12, num_heads: 12 };

/** Names of the presets. */
export type DinoPreset = 'dino_vits16' | 'dino_vits8' | 'dino_vitb16' | 'dino_vitb8';

/** The published models of DINO by their names at torch hub; VBench uses `dino_vitb16`. */
export const dinoPresets: Readonly<Record<DinoPreset, DinoConfig>> = {
  dino_vits16: { ...small, patch_size: 16 },
  dino_vits8: { ...small, patch_size: 8 },
  dino_vitb16: { ...base, patch_size: 16 },
  dino_vitb8: { ...base, patch_size: 8 },
};
