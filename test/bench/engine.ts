/**
 * A whole training step of the Wan transformer (forward, backward, AdamW) on the onnx engine against PyTorch eager,
 * taken in turn: each round runs some steps of ours, then some of the peer's, and the best step of each counts. The
 * peer is peers/wan_step.py, run by the Python that REWARD_FORCING_PYTHON names; without it only ours is timed. A kernel that fell
 * back to the reference engine inside the step fails the benchmark.
 */
import * as engine from '../../src/engine/index.ts';
import { type Tensor, tf, type Variable } from '../../src/engine/tf.ts';
import { initWan, type WanConfig, wanForward, wanPresets } from '../../src/model/wan/index.ts';
import { random } from '../../src/nn/index.ts';
import type { BenchOptions } from './main.ts';
import { type Peer, startPeer } from './peer.ts';
import { peerSteps, type Steps, takeTurns, timed } from './turns.ts';

/** One problem: batch and latent grid of a configuration. */
interface Size {
  name: string;
  config: WanConfig;
  batch: number;
  frames: number;
  /** Rows and columns of tokens in a frame. */
  side: number;
}

const study = wanPresets.study;
const wide: WanConfig = { ...study, dim: 256, ffn_dim: 1024, num_heads: 8, num_layers: 6 };

const sizes: readonly Size[] = [
  { name: 'study, 48 tokens', config: study, batch: 16, frames: 3, side: 4 },
  { name: 'study, 144 tokens', config: study, batch: 16, frames: 9, side: 4 },
];
const largeSizes: readonly Size[] = [{ name: 'wide, 576 tokens', config: wide, batch: 8, frames: 9, side: 8 }];

/** Measures all sizes; see the head of this file. */
export async function benchEngine({ threads, rounds, large }: BenchOptions): Promise<Record<string, unknown>[]> {
  await engine.use('onnx', { threads });
  const peer = startPeer('wan_step.py');
  const rows: Record<string, unknown>[] = [];
  try {
    for (const size of large ? [...sizes, ...largeSizes] : sizes) rows.push(await measure(size, threads, rounds, peer));
  } finally {
    peer?.stop();
  }
  return rows;
}

async function measure(
  size: Size,
  threads: number,
  rounds: number,
  peer: Peer | null,
): Promise<Record<string, unknown>> {
  const ours = ourSteps(size);
  await peer?.ask({ setup: peerSetup(size, threads) });
  const turns = await takeTurns(ours.steps, peerSteps(peer), rounds);
  const fallbacks = Object.keys(engine.report().fallbacks);
  if (fallbacks.length > 0) throw new Error(`kernels fell back inside the step: ${fallbacks.join(', ')}`);
  ours.dispose();
  return { size: size.name, ...turns };
}

function peerSetup({ config, batch, frames, side }: Size, threads: number): Record<string, unknown> {
  const { dim, ffn_dim, freq_dim, num_heads, num_layers, text_dim, text_len } = config;
  const channels = config.in_dim * config.patch_size.reduce((cells, extent) => cells * extent, 1);
  const widths = { dim, ffn: ffn_dim, freq: freq_dim, heads: num_heads, layers: num_layers, channels };
  return { ...widths, threads, batch, frames, tokens: side * side, text: text_dim, textLength: text_len };
}

/** A compiled step of our model on fixed data. */
function ourSteps(size: Size): { steps: Steps; dispose(): void } {
  const { config, batch, frames, side } = size;
  const weights = initWan(config, random.key(1));
  const params = weights.trainable();
  const zeros = (): Variable[] => params.map((p) => tf.variable(tf.zerosLike(p), false));
  const [m, v] = [zeros(), zeros()];
  const [time, rows, columns] = config.patch_size;
  const shape = [batch, frames * time, side * rows, side * columns, config.in_dim];
  const data = [shape, shape, [batch, config.text_len, config.text_dim], [batch, frames]];
  const inputs = data.map((s, i) => tf.tensor(random.key(i).normal(s).data, s));
  const compiled = engine.compile((count: Tensor, x: Tensor, target: Tensor, context: Tensor, t: Tensor): Tensor => {
    const loss = () => tf.losses.meanSquaredError(target, wanForward(weights, config, { x, t, context })).asScalar();
    const { value, grads } = tf.variableGrads(loss, params);
    const adamw = { lr: 1e-4, beta1: 0.9, beta2: 0.999, eps: 1e-8, weightDecay: 0.01 };
    engine.adamwStep({ params, grads: params.map((p) => grads[p.name]!), m, v, step: count, ...adamw });
    return value;
  });
  let count = 0;
  const step = async (): Promise<void> => {
    const number = tf.scalar(++count);
    const loss = compiled(number, ...(inputs as [Tensor, Tensor, Tensor, Tensor]));
    const value = (await loss.data())[0]!;
    if (!Number.isFinite(value)) throw new Error(`the loss became ${value} at step ${count}`);
    tf.dispose([loss, number]);
  };
  const dispose = (): void => {
    compiled.dispose();
    weights.dispose();
    tf.dispose([m, v, inputs]);
  };
  return { steps: timed(step), dispose };
}
