/** Sizes of MUSIQ, in the names of IQA-PyTorch's constructor (pyiqa/archs/musiq_arch.py, `MUSIQ`). */
export interface MusiqConfig {
  /** Side of the square patches that become tokens. */
  readonly patch_size: number;
  /** Values of the head: 1 for a score, more for shares of the scores 1, 2, 3, ... */
  readonly num_class: number;
  readonly hidden_size: number;
  readonly mlp_dim: number;
  readonly num_heads: number;
  readonly num_layers: number;
  /** Side of the position table that every grid of patches is mapped onto. */
  readonly spatial_pos_grid_size: number;
  /** Longer sides of the shrunken or enlarged copies that are seen beside the picture itself, ascending. */
  readonly longer_side_lengths: readonly number[];
}

const published: Omit<MusiqConfig, 'num_class'> = {
  patch_size: 32,
  hidden_size: 384,
  mlp_dim: 1152,
  num_heads: 6,
  num_layers: 14,
  spatial_pos_grid_size: 10,
  longer_side_lengths: [224, 384],
};

/** Names of the presets. */
export type MusiqPreset = 'spaq' | 'koniq10k' | 'paq2piq' | 'ava';

/** The published models by the data they were trained on; VBench uses `spaq`, whose scores run from 0 to 100. */
export const musiqPresets: Readonly<Record<MusiqPreset, MusiqConfig>> = {
  spaq: { ...published, num_class: 1 },
  koniq10k: { ...published, num_class: 1 },
  paq2piq: { ...published, num_class: 1 },
  ava: { ...published, num_class: 10 },
};

/** Channels of the convolutions that read a patch, and of their last layer. */
export const stemChannels = { narrow: 64, wide: 256 } as const;

/** A head of one value is a layer of its own, one of several stands before a softmax. */
export function headName({ num_class }: MusiqConfig): string {
  return num_class > 1 ? 'head.0' : 'head';
}
