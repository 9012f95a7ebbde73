/** What every pass through the transformer shares, whatever its tokens see of each other, and the bidirectional one. */
import { layerNorm, modulate } from '../../engine/ops/index.ts';
import { type Tensor, tf } from '../../engine/tf.ts';
import { type Architecture, architecture, type Part, type Tapped, type ValueTap } from '../../nn/index.ts';
import { withBlock } from '../../nn/internal.ts';
import { dense } from '../layers/layers.ts';
import { boundedAttention } from './attention.ts';
import { type Attend, type KeyValue, wanBlock } from './block.ts';
import { type WanConfig, type WanPreset, wanPresets } from './config.ts';
import { embedPatches, embedTime, type TimeModulation, tokenGrid, unpatchify } from './embedding.ts';
import { type Rope, ropeOf, type Timesteps, timestepEmbedding } from './positions.ts';
import { textSource, type WanContext } from './text.ts';
import { diffusersName, officialNames, wanInitial, wanShapes } from './weights.ts';

/** Input of a pass: noisy latents, their noise level, the text. */
export interface WanInput {
  /** Noisy latents [B, F, H, W, in_dim]. */
  x: Tensor;
  /** Timesteps in 0..1000. */
  t: Timesteps;
  /** Text embeddings [B, n <= text_len, text_dim], or a cache made of them. */
  context: WanContext;
}

/** Everything that a pass through the blocks needs, tokens embedded. */
export interface Pass extends Tapped {
  /** Tokens [B, L, D]. */
  tokens: Tensor;
  time: TimeModulation;
  rope: Rope;
  /** How the tokens of a layer attend. */
  attend: (layer: number) => Attend;
  text: (layer: number) => KeyValue;
  /** The keys and values that the last call of `attend` met, where they outlive the pass. */
  met?: () => KeyValue;
}

/**
 * Sinusoids [1 or B, 1 or F, freq_dim] of the timesteps of a pass.
 *
 * @throws RangeError if the timesteps fit neither the batch nor the frames.
 */
export function sinusoidsOf(config: WanConfig, t: Timesteps, batch: number, frames: number): Tensor {
  const sinusoids = timestepEmbedding(t, config.freq_dim);
  const [rows, columns] = sinusoids.shape as [number, number];
  if ((rows === 1 || rows === batch) && (columns === 1 || columns === frames)) return sinusoids;
  const wanted = `one value, [B] or [B, F] with B ${batch} and F ${frames}`;
  throw new RangeError(`t: wanted ${wanted}, received [${rows}, ${columns}]`);
}

/** What the passes have alike: tokens, modulation and text of an input of `frames` token frames. */
export function passOf(
  net: Part<WanConfig>,
  { x, t, context }: WanInput,
  frames: number,
  { onValue }: Tapped,
): Omit<Pass, 'rope' | 'attend'> {
  const batch = x.shape[0]!;
  const time = embedTime(net, sinusoidsOf(net.config, t, batch, frames));
  return { time, tokens: embedPatches(net, x), text: textSource(net, context, batch), onValue };
}

/** Tokens through all blocks: [B, T, S, D], T as in the time modulation. */
export function runBlocks(net: Part<WanConfig>, pass: Pass): Tensor {
  const { weights, config } = net;
  const { tokens, time, rope, onValue } = pass;
  const [batch, length] = tokens.shape as [number, number];
  const times = time.e.shape[1]!;
  let x = tf.reshape(tokens, [batch, times, length / times, config.dim]); // [B, L, D] -> [B, T, S, D]
  for (let layer = 0; layer < config.num_layers; layer++) {
    const name = `blocks.${layer}`;
    const tap: ValueTap = (part, output) => onValue?.(`${name}.${part}`, output);
    const [attend, text] = [pass.attend(layer), pass.text(layer)];
    const before = x;
    const after = withBlock(weights, name, (block) => {
      return { y: wanBlock(block, before, { config, e0: time.e0, rope, attend, text, tap }), ...pass.met?.() };
    });
    x = after.y;
    if (weights.lend) before.dispose();
    onValue?.(name, x);
  }
  return x;
}

/** Residual stream [B, T, S, D] to predictions [B, L, pt ph pw C_out]. */
export function runHead(net: Part<WanConfig>, x: Tensor, e: Tensor): Tensor {
  const { weights, config } = net;
  const [batch, times, size] = x.shape as [number, number, number];
  const rows = tf.reshape(e, [e.shape[0]!, times, 1, config.dim]);
  const modulation = tf.add(weights.get('head.modulation'), rows); // [1, 2, D] + [B, T, 1, D]
  const [shift, scale] = tf.split(modulation, 2, 2) as [Tensor, Tensor]; // 2 of [B, T, 1, D]
  const y = dense(weights, 'head.head', modulate(layerNorm(x, null, null, config.eps), shift, scale));
  return tf.reshape(y, [batch, times * size, y.shape[3]!]); // [B, T, S, P] -> [B, L, P]
}

/** Options of {@link wanForward}. */
export interface WanForwardOptions extends Tapped {
  /**
   * Pads the tokens to this number and hides the padding from attention: the result is the same, and clips of several
   * sizes share one compiled step. One timestep for each sample then, none for each frame.
   */
  seqLen?: number;
}

/**
 * Velocity v = noise - x0, [B, F, H, W, out_dim], that a bidirectional Wan transformer predicts.
 * Source: Wan2.1 wan/modules/model.py (`WanModel.forward`).
 *
 * @throws RangeError if a shape does not fit the configuration.
 * @example const velocity = wanForward(net, { x, t: 937.5, context });
 */
export function wanForward(
  net: Part<WanConfig>,
  input: WanInput,
  { seqLen, ...options }: WanForwardOptions = {},
): Tensor {
  const { config } = net;
  const grid = tokenGrid(config, input.x);
  const length = grid[0] * grid[1] * grid[2];
  return tf.tidy(() => {
    const pass = passOf(net, input, seqLen === undefined ? grid[0] : 1, options);
    const padding = paddingOf(length, seqLen);
    const mask = padding > 0 ? keyMask(length, padding) : null;
    const attend: Attend = (q, { k, v }) => boundedAttention(q, k, v, { mask });
    const after: [number, number] = [0, padding];
    const tokens = padding > 0 ? tf.pad(pass.tokens, [[0, 0], after, [0, 0]]) : pass.tokens;
    const rope = padRope(ropeOf(config, grid), padding);
    const y = runHead(net, runBlocks(net, { ...pass, tokens, rope, attend: () => attend }), pass.time.e);
    options.onValue?.('head', y);
    return unpatchify(config, padding > 0 ? tf.slice(y, [0, 0, 0], [-1, length, -1]) : y, grid);
  });
}

function paddingOf(length: number, seqLen: number = length): number {
  if (Number.isInteger(seqLen) && seqLen >= length) return seqLen - length;
  throw new RangeError(`seqLen: wanted a whole number of at least ${length} tokens, received ${seqLen}`);
}

/** 1 for the first `length` keys, 0 for the padding: [1, L]. */
function keyMask(length: number, padding: number): Tensor {
  const keys = new Uint8Array(length + padding).fill(1, 0, length);
  return tf.tensor2d(keys, [1, length + padding], 'bool');
}

/** Padding is turned by no angle. */
function padRope({ cos, sin }: Rope, padding: number): Rope {
  if (padding === 0) return { cos, sin };
  const after: [number, number] = [0, padding];
  return { cos: tf.pad(cos, [after, [0, 0]], 1), sin: tf.pad(sin, [after, [0, 0]]) };
}

/**
 * Wan2.1's text-to-video transformer; loads official, diffusers' and Self-Forcing's names.
 *
 * @example await wan.load(config, (await openSafetensors('diffusion_pytorch_model.safetensors')).entries())
 */
export const wan: Architecture<WanConfig, typeof wanForward, WanPreset> = architecture({
  name: 'Wan transformer',
  presets: wanPresets,
  shapes: wanShapes,
  prefixes: [
    ...['model.diffusion_model.', 'diffusion_model.', 'generator_ema.', 'generator.'],
    ...['model.', 'transformer.', 'net.', 'dit.'],
  ],
  officialName: officialNames,
  diffusersName,
  initial: wanInitial,
  isHidden: (name) => name.startsWith('blocks.'),
  forward: wanForward,
});
