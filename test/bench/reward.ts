/**
 * The networks of the official rewards at their published sizes with random weights, on the onnx engine against PyTorch
 * eager in fp32 (peers/torch_rewards.py; RAFT is torchvision's), taken in turn: RAFT large on a pair of 480x832, forward
 * and gradient of ImageReward, features of CLIP ViT-L/14 and DINO ViT-B/16. Without REWARD_FORCING_PYTHON only ours is
 * timed. Both sides must have the same number of weights, and a kernel that fell back fails the benchmark.
 */
import * as engine from '../../src/engine/index.ts';
import { type Tensor, tf } from '../../src/engine/tf.ts';
import { imageRewardPresets, imageRewardShapes } from '../../src/model/blip/blip.ts';
import { clipShapes } from '../../src/model/clip/weights.ts';
import { dinoShapes } from '../../src/model/dino/dino.ts';
import {
  clipImageFeatures,
  clipPresets,
  dinoFeatures,
  dinoPresets,
  type ImageRewardConfig,
  imageRewardForward,
  raftForward,
  raftPresets,
} from '../../src/model/internal.ts';
import { raftShapes } from '../../src/model/raft/weights.ts';
import { parameterCount, type Shapes, Weights } from '../../src/nn/index.ts';
import type { BenchOptions } from './main.ts';
import { ownFile, type Peer, startProgram } from './peer.ts';
import { rounded, type Steps, type Times, takeTurns, timed } from './turns.ts';

interface Case {
  readonly name: string;
  readonly shapes: Shapes;
  /** Shapes of images. */
  readonly inputs: readonly (readonly number[])[];
  compute(weights: Weights, ...images: Tensor[]): Tensor;
  /** Whether the slope of the result by the first image is what is timed. */
  readonly gradient?: boolean;
  /** The same for the peer. */
  readonly peer: Readonly<Record<string, unknown>>;
}

const clip = clipPresets['vit-l-14'];
const dino = dinoPresets.dino_vitb16;
const side = 224;
const raftCase = { height: 480, width: 832, iterations: 12 };

const cases: readonly Case[] = [
  imageRewardCase(imageRewardPresets['imagereward-v1.0'], false),
  imageRewardCase(imageRewardPresets['imagereward-v1.0'], true),
  {
    name: 'CLIP ViT-L/14, 4 images',
    shapes: clipShapes({ ...clip, towers: 'vision' }),
    inputs: [[4, side, side, 3]],
    compute: (weights, images) => clipImageFeatures({ weights, config: clip }, images!),
    peer: {
      kind: 'features',
      batch: 4,
      side,
      vit: {
        ...vitSizes(side, clip.vision_patch_size, clip.vision_width, clip.vision_layers, 16),
        eps: 1e-5,
        clip: 768,
      },
    },
  },
  {
    name: 'DINO ViT-B/16, 4 images',
    shapes: dinoShapes(dino),
    inputs: [[4, side, side, 3]],
    compute: (weights, images) => dinoFeatures({ weights, config: dino }, images!),
    peer: {
      kind: 'features',
      batch: 4,
      side,
      vit: vitSizes(side, dino.patch_size, dino.embed_dim, dino.depth, dino.num_heads),
    },
  },
  {
    name: 'RAFT large, 480x832, 12 steps',
    shapes: raftShapes(raftPresets.raft_large),
    inputs: [
      [1, raftCase.height, raftCase.width, 3],
      [1, raftCase.height, raftCase.width, 3],
    ],
    compute: (weights, first, second) =>
      raftForward({ weights, config: raftPresets.raft_large }, first!, second!, raftCase),
    peer: { kind: 'raft', ...raftCase },
  },
];

function vitSizes(size: number, patch: number, width: number, depth: number, heads: number): object {
  return { side: size, patch, width, depth, heads };
}

function imageRewardCase(config: ImageRewardConfig, gradient: boolean): Case {
  const { vit, med_config: text } = config;
  const length = 35;
  const mask = Int32Array.from({ length }, (_, i) => (i < 12 ? 1 : 0));
  return {
    name: `ImageReward, ${gradient ? 'gradient' : 'score'}`,
    shapes: imageRewardShapes(config),
    inputs: [[1, side, side, 3]],
    compute: (weights, images) => {
      const ids = tf.tensor2d(
        mask.map((seen, i) => (seen ? 1000 + i : 0)),
        [1, length],
        'int32',
      );
      const tokens = { ids, mask: tf.tensor2d(mask, [1, length], 'int32') };
      return imageRewardForward({ weights, config }, images!, tokens);
    },
    gradient,
    peer: {
      kind: 'imagereward',
      batch: 1,
      side,
      vit: vitSizes(vit.image_size, vit.patch_size, vit.embed_dim, vit.depth, vit.num_heads),
      text: {
        width: text.hidden_size,
        heads: text.num_attention_heads,
        hidden: text.intermediate_size,
        depth: text.num_hidden_layers,
        vocabulary: text.vocab_size,
        positions: text.max_position_embeddings,
      },
    },
  };
}

/** Measures all cases; see the head of this file. */
export async function benchReward({ threads, rounds, only = '' }: BenchOptions): Promise<Record<string, unknown>[]> {
  await engine.use('onnx', { threads });
  const rows: Record<string, unknown>[] = [];
  for (const each of cases.filter(({ name }) => name.includes(only))) {
    const row = await measure(each, threads, rounds);
    process.stderr.write(`${JSON.stringify(row)}\n`);
    rows.push(row);
  }
  return rows;
}

async function measure(given: Case, threads: number, rounds: number): Promise<Record<string, unknown>> {
  const python = process.env['REWARD_FORCING_PYTHON'];
  const peer = python ? startProgram(python, [ownFile('peers/torch_rewards.py')]) : null;
  const ours = prepare(given);
  try {
    if (peer) await setUp(peer, given, threads);
    const theirs: Steps = async (count) => (await peer!.ask({ steps: count })) as Times;
    const [own, torch] = await takeTurns(peer ? [ours.steps, theirs] : [ours.steps], rounds);
    const fallbacks = Object.keys(engine.report().fallbacks);
    if (fallbacks.length > 0) throw new Error(`kernels fell back: ${fallbacks.join(', ')}`);
    const row = { name: given.name, bestMs: own!.bestMs, cpuMs: own!.cpuMs };
    if (!torch) return row;
    const ratios = { ratio: rounded(own!.bestMs / torch.bestMs), ratioCpu: rounded(own!.cpuMs / torch.cpuMs) };
    return { ...row, torchBestMs: torch.bestMs, torchCpuMs: torch.cpuMs, ...ratios };
  } finally {
    peer?.stop();
    ours.dispose();
  }
}

async function setUp(
  peer: Peer,
  { name, shapes, gradient = false, peer: sizes }: Case,
  threads: number,
): Promise<void> {
  const { parameters } = (await peer.ask({ setup: { ...sizes, gradient }, threads })) as { parameters: number };
  const own = parameterCount(new Map([...shapes].filter(([weight]) => !/running_(mean|var)$/.test(weight))));
  if (own !== parameters) throw new Error(`${name}: ${own} weights here, ${parameters} in PyTorch`);
}

function prepare({ shapes, inputs, compute, gradient }: Case): { steps: Steps; dispose(): void } {
  const weights = Weights.from(
    [...shapes].map(([name, shape]) => [name, { dtype: 'float32', shape: [...shape], data: noise(name, shape) }]),
    { trainable: false },
  );
  const images = inputs.map((shape) => tf.tensor(noise('images', shape), [...shape]));
  const forward = (...given: Tensor[]): Tensor => compute(weights, ...given);
  const slope = tf.grad((image: Tensor) => tf.sum(forward(image)));
  const compiled = engine.compile(gradient ? (image: Tensor) => slope(image) : forward);
  const step = async (): Promise<void> => {
    const result = compiled(...images);
    await result.data();
    result.dispose();
  };
  const dispose = (): void => {
    compiled.dispose();
    weights.dispose();
    tf.dispose(images);
  };
  return { steps: timed(step), dispose };
}

/** Values that keep a network's activations near unit size; running variances are near 1. */
function noise(name: string, shape: readonly number[]): Float32Array {
  const size = shape.reduce((product, extent) => product * extent, 1);
  const fan = size / shape[0]!;
  const [centre, spread] = shape.length === 1 ? [/(weight|var)$/.test(name) ? 1 : 0, 0.1] : [0, Math.sqrt(3 / fan)];
  let state = 1;
  return Float32Array.from({ length: size }, () => {
    state = (Math.imul(state, 1664525) + 1013904223) | 0;
    return centre + (spread * state) / 2 ** 31;
  });
}
