/** What `bench engine` measures, as data that every side understands: operations, then whole steps of the product. */
import { type VaeConfig, vaeConfig, type WanConfig, wanPresets } from '../../src/model/internal.ts';
import { decoderLayers } from '../../src/model/vae/layers.ts';

interface Named {
  readonly name: string;
  /** Runs that count as one step, for what is too short to time. */
  readonly repeat?: number;
}

/** One operation; `backward` adds the gradients of all inputs and weights. */
export type Operation = Named &
  (
    | { readonly kind: 'matmul'; readonly rows: number; readonly inner: number; readonly columns: number }
    | {
        readonly kind: 'attention';
        readonly batch: number;
        readonly tokens: number;
        readonly heads: number;
        readonly width: number;
        readonly backward: boolean;
      }
    | {
        readonly kind: 'normalisation';
        readonly norm: 'layer' | 'rms';
        readonly rows: number;
        readonly width: number;
        readonly backward: boolean;
      }
    | {
        readonly kind: 'mlp';
        readonly rows: number;
        readonly width: number;
        readonly hidden: number;
        readonly backward: boolean;
      }
    | { readonly kind: 'conv2d'; readonly shape: readonly number[]; readonly backward: boolean }
    | { readonly kind: 'conv3d'; readonly shape: readonly number[]; readonly backward: boolean }
    | { readonly kind: 'small'; readonly size: number; readonly count: number }
  );

/** A whole step: the networks' configurations, the clips of a batch, `[F, H, W, C]` of their latents. */
export type Step = Named & {
  readonly kind: 'teacher' | 'dmd' | 'phase1' | 'phase2' | 'rollout' | 'decode';
  readonly batch: number;
  readonly latents: readonly [number, number, number, number];
  readonly config: WanConfig;
  readonly vae: VaeConfig;
  /** Layers of the decoder, for those who build it elsewhere. */
  readonly layers: ReturnType<typeof decoderLayers>;
};

export type Case = Operation | Step;

const operations: readonly Operation[] = [
  { name: 'matmul 256 x 256 x 256', kind: 'matmul', rows: 256, inner: 256, columns: 256, repeat: 20 },
  { name: 'matmul 1024 x 1024 x 1024', kind: 'matmul', rows: 1024, inner: 1024, columns: 1024 },
  { name: 'matmul 2304 x 192 x 576', kind: 'matmul', rows: 2304, inner: 192, columns: 576, repeat: 4 },
  { name: 'attention 16 x 48 x 6 x 32', ...attention(16, 48, 6, 32, true), repeat: 4 },
  { name: 'attention 2 x 512 x 8 x 64', ...attention(2, 512, 8, 64, true) },
  { name: 'attention 1 x 1560 x 12 x 128, forward', ...attention(1, 1560, 12, 128, false) },
  { name: 'layer norm 4096 x 192', kind: 'normalisation', norm: 'layer', rows: 4096, width: 192, ...trained(4) },
  { name: 'RMS norm 4096 x 192', kind: 'normalisation', norm: 'rms', rows: 4096, width: 192, ...trained(4) },
  { name: 'linear, GELU, linear 2304 x 192 x 576', kind: 'mlp', rows: 2304, width: 192, hidden: 576, ...trained(1) },
  { name: 'conv2d 16 x 32 x 32, 32 to 32', kind: 'conv2d', shape: [16, 32, 32, 32, 32], ...trained(1) },
  { name: 'conv3d 8 x 9 x 32 x 32, 8 to 8', kind: 'conv3d', shape: [8, 9, 32, 32, 8, 8], ...trained(1) },
  { name: 'conv3d 8 x 9 x 16 x 16, 32 to 32', kind: 'conv3d', shape: [8, 9, 16, 16, 32, 32], ...trained(1) },
  { name: 'conv3d 1 x 5 x 32 x 32, 96 to 96, forward', kind: 'conv3d', shape: [1, 5, 32, 32, 96, 96], backward: false },
  { name: '200 small operations', kind: 'small', size: 64, count: 100, repeat: 4 },
];

function trained(repeat: number): { backward: true; repeat: number } {
  return { backward: true, repeat };
}

function attention(batch: number, tokens: number, heads: number, width: number, backward: boolean) {
  return { kind: 'attention', batch, tokens, heads, width, backward } as const;
}

const study = wanPresets.study;
/** The autoencoder of the small scale. */
const smallVae = vaeConfig({
  dim: 8,
  z_dim: 16,
  dim_mult: [1, 2, 4],
  num_res_blocks: 1,
  temperal_downsample: [true, true],
});
const middleVae = vaeConfig({ ...smallVae, dim: 32, num_res_blocks: 2 });
const fullVae = vaeConfig();

function step(name: string, kind: Step['kind'], sizes: Pick<Step, 'batch' | 'latents'> & Partial<Step>): Step {
  const { vae = smallVae, config = study } = sizes;
  return { name, kind, ...sizes, config, vae, layers: decoderLayers(vae) };
}

const steps: readonly Step[] = [
  step('teacher step, study', 'teacher', { batch: 16, latents: [3, 8, 8, 16] }),
  step('teacher step, tiny', 'teacher', { batch: 8, latents: [3, 8, 8, 4], config: wanPresets.tiny }),
  step('DMD step, study', 'dmd', { batch: 16, latents: [3, 8, 8, 16] }),
  step('phase-1 step, study', 'phase1', { batch: 16, latents: [3, 8, 8, 16] }),
  step('phase-2 step, study', 'phase2', { batch: 16, latents: [3, 8, 8, 16] }),
  step('causal rollout, 16 x 9 frames', 'rollout', { batch: 16, latents: [9, 8, 8, 16] }),
  step('causal rollout, 1 x 9 frames', 'rollout', { batch: 1, latents: [9, 8, 8, 16] }),
  step('VAE decode, study, 16 x 9 frames', 'decode', { batch: 16, latents: [3, 8, 8, 16] }),
  step('VAE decode, width 32, 1 x 17 frames', 'decode', { batch: 1, latents: [5, 16, 16, 16], vae: middleVae }),
];

const wide: WanConfig = { ...study, dim: 256, ffn_dim: 1024, num_heads: 8, num_layers: 6 };

const largeSteps: readonly Step[] = [
  step('teacher step, 576 tokens of 256', 'teacher', { batch: 8, latents: [9, 16, 16, 16], config: wide }),
  step('VAE decode, Wan2.1, 1 x 5 frames', 'decode', { batch: 1, latents: [2, 8, 8, 16], vae: fullVae }),
];

/** The cases whose name or kind holds `pattern`; `large` adds those that take minutes. */
export function casesOf({ large, only }: { large: boolean; only: string | undefined }): Case[] {
  const all: Case[] = [...operations, ...steps, ...(large ? largeSteps : [])];
  return all.filter(({ name, kind }) => only === undefined || name.includes(only) || kind === only);
}

/** Whether a case is a whole step rather than an operation. */
export function isStep(given: Case): given is Step {
  return 'latents' in given;
}
